#include "xattn/training/image_transform.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include "support/errors.h"
#include "support/model_golden.h"

namespace xattn::testing {
namespace {

at::Generator generator_of(uint64_t seed) {
  return at::make_generator<at::CPUGeneratorImpl>(seed);
}

/// The pictures that the transform of a case makes of its input, with one generator.
std::vector<at::Tensor> transformed(const ModelCase& model_case, const at::Tensor& pixels,
                                    std::optional<bool> random_crop = std::nullopt) {
  const auto& arguments = model_case.arguments;
  ImageTransformOptions options;
  options.resolution = arguments.at("resolution");
  options.resample =
      arguments.at("resample") == "lanczos" ? Resampling::kLanczos : Resampling::kBilinear;
  options.crop = random_crop.value_or(arguments.at("random_crop")) ? Crop::kRandom : Crop::kCenter;
  options.random_flip = arguments.at("random_flip");
  const ImageTransform transform(options);
  auto generator = generator_of(arguments.at("seed"));
  std::vector<at::Tensor> results;
  for (int64_t i = 0; i < arguments.at("count").get<int64_t>(); ++i) {
    results.push_back(transform(pixels, generator));
  }
  return results;
}

class ImageTransformParity : public ::testing::TestWithParam<ModelCase> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ImageTransformParity);
INSTANTIATE_TEST_SUITE_P(Torchvision, ImageTransformParity,
                         ::testing::ValuesIn(model_cases("training_data", "ImageTransform")),
                         model_case_name);

TEST_P(ImageTransformParity, BitsAreThoseOfPython) {
  const auto golden = load_golden(GetParam());
  const auto results = transformed(GetParam(), golden.inputs.at("pixels"));
  for (size_t i = 0; i < results.size(); ++i) {
    const auto& expected = golden.outputs.at(std::to_string(i));
    EXPECT_EQ(results[i].scalar_type(), at::kFloat);
    EXPECT_TRUE(results[i].is_contiguous());
    EXPECT_TRUE(at::equal(results[i], expected)) << i;
  }
}

// The twin: the other crop gives other bits.
TEST_P(ImageTransformParity, AnotherCropIsFound) {
  const bool crops_randomly = GetParam().arguments.at("random_crop");
  const auto golden = load_golden(GetParam());
  if (golden.inputs.at("pixels").size(0) == golden.inputs.at("pixels").size(1)) return;
  const auto results = transformed(GetParam(), golden.inputs.at("pixels"), !crops_randomly);
  bool all_same = true;
  for (size_t i = 0; i < results.size(); ++i) {
    all_same &= at::equal(results[i], golden.outputs.at(std::to_string(i)));
  }
  EXPECT_FALSE(all_same);
}

TEST(ImageTransform, HasItsRange) {
  const ImageTransform transform({.resolution = 8});
  at::Generator none;
  const auto white = transform(at::full({20, 16, 3}, 255, at::kByte), none);
  EXPECT_TRUE(at::equal(white, at::ones({3, 8, 8})));
  EXPECT_TRUE(at::equal(transform(at::zeros({20, 16, 1}, at::kByte), none), -at::ones({3, 8, 8})));
}

TEST(ImageTransform, CentreRoundsHalvesToEven) {
  at::Generator none;
  const auto top_of = [&](int64_t height) {
    return ImageTransform({.resolution = 10}).draw(height, 10, none).top;
  };
  EXPECT_EQ(top_of(11), 0);
  EXPECT_EQ(top_of(12), 1);
  EXPECT_EQ(top_of(13), 2);
  EXPECT_EQ(top_of(14), 2);
  EXPECT_EQ(top_of(15), 2);
}

TEST(ImageTransform, DrawsOnlyWhatIsRandom) {
  auto generator = generator_of(1);
  const auto before = generator.get_state();
  ImageTransform({.resolution = 4}).draw(9, 5, generator);
  ImageTransform({.resolution = 4, .crop = Crop::kRandom}).draw(5, 5, generator);
  EXPECT_TRUE(at::equal(generator.get_state(), before));
  ImageTransform({.resolution = 4, .crop = Crop::kRandom}).draw(9, 5, generator);
  EXPECT_FALSE(at::equal(generator.get_state(), before));
}

TEST(ImageTransform, MirrorsHalfOfThem) {
  auto generator = generator_of(1);
  const ImageTransform transform({.resolution = 4, .random_flip = true});
  int flips = 0;
  for (int i = 0; i < 1000; ++i) flips += transform.draw(4, 4, generator).flip ? 1 : 0;
  EXPECT_GT(flips, 440);
  EXPECT_LT(flips, 560);
  const auto pixels = at::arange(48, at::kByte).reshape({4, 4, 3});
  EXPECT_TRUE(at::equal(transform.apply(pixels, {0, 0, true}),
                        transform.apply(pixels, {0, 0, false}).flip({2})));
}

TEST(ImageTransform, RefusesWhatItCannotUse) {
  const auto make = [](int64_t resolution) { ImageTransform({.resolution = resolution}); };
  expect_value_error([&] { make(0); }, "[ImageTransform] resolution: expected 1 to 65536, got 0");
  expect_value_error_with([&] { make(65537); }, "got 65537");
  const ImageTransform random({.resolution = 4, .random_flip = true});
  const auto pixels = at::zeros({4, 6, 3}, at::kByte);
  at::Generator none;
  expect_value_error([&] { random(pixels, none); },
                     "[ImageTransform] generator: expected one of the CPU, got an undefined one");
  expect_value_error_with([&] { random.apply(pixels.to(at::kFloat), {}); },
                          "[ImageTransform] pixels");
  expect_value_error_with([&] { random.apply(at::zeros({4, 6}, at::kByte), {}); }, "pixels");
  expect_value_error(
      [&] {
        random.apply(pixels, {0, 3, false});
      },
      "[ImageTransform] crop: expected a square of 4 pixels within 4 x 6, got one "
      "from 0, 3");
  expect_value_error_with([&] { random.apply(pixels, {-1, 0, false}); }, "got one from -1, 0");
  expect_value_error_with(
      [&] {
        make(65536),
            ImageTransform({.resolution = 65536}).apply(at::zeros({1, 300, 1}, at::kByte), {});
      },
      "longer side");
}

TEST(ImageTransform, SaysItsOptions) {
  EXPECT_EQ(ImageTransform().text(), "512x512 lanczos, centre crop");
  EXPECT_EQ(ImageTransform({64, Resampling::kBilinear, Crop::kRandom, true}).text(),
            "64x64 bilinear, random crops, random flips");
}

}  // namespace
}  // namespace xattn::testing
