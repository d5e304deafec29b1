// Pictures in and out of a VAE's range, against diffusers.
#include "xattn/pipelines/vae_image_processor.h"

#include <torch/types.h>

#include "support/errors.h"
#include "support/model_golden.h"

namespace xattn::testing {
namespace {

using namespace std::string_literals;

VaeImageProcessorConfig config_of(const nlohmann::json& arguments) {
  const auto given = arguments.at("config");
  VaeImageProcessorConfig config;
  config.do_resize = given.value("do_resize", config.do_resize);
  config.vae_scale_factor = given.value("vae_scale_factor", config.vae_scale_factor);
  config.vae_latent_channels = given.value("vae_latent_channels", config.vae_latent_channels);
  config.do_normalize = given.value("do_normalize", config.do_normalize);
  config.do_binarize = given.value("do_binarize", config.do_binarize);
  config.do_convert_rgb = given.value("do_convert_rgb", config.do_convert_rgb);
  config.do_convert_grayscale = given.value("do_convert_grayscale", config.do_convert_grayscale);
  if (given.value("resample", "lanczos") == "bicubic") config.resample = Resampling::kBicubic;
  return config;
}

std::optional<int64_t> optional_of(const nlohmann::json& values, const char* name) {
  return values.contains(name) ? std::optional(values[name].get<int64_t>()) : std::nullopt;
}

at::Tensor preprocess(const ModelCase& model_case, const ModelGolden& golden,
                      const VaeImageProcessorConfig& config) {
  const VaeImageProcessor processor(config);
  const auto& size = model_case.arguments.at("size");
  const auto height = optional_of(size, "height"), width = optional_of(size, "width");
  std::vector<at::Tensor> images;
  for (const auto& item : golden.inputs) images.push_back(item.second);
  return images.size() == 1 ? processor.preprocess(images.front(), height, width)
                            : processor.preprocess(images, height, width);
}

class Preprocess : public ::testing::TestWithParam<ModelCase> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Preprocess);
INSTANTIATE_TEST_SUITE_P(Diffusers, Preprocess,
                         ::testing::ValuesIn(model_cases("images", "preprocess")), model_case_name);

TEST_P(Preprocess, EveryBitIsThatOfPython) {
  const auto golden = load_golden(GetParam());
  const auto actual = preprocess(GetParam(), golden, config_of(GetParam().arguments));
  const auto& expected = golden.outputs.at("tensor");
  EXPECT_EQ(actual.scalar_type(), expected.scalar_type());
  ASSERT_EQ(actual.sizes(), expected.sizes());
  EXPECT_TRUE(actual.equal(expected)) << (actual - expected).abs().max();
}

TEST_P(Preprocess, FlippedImagesGiveAnotherTensor) {
  auto golden = load_golden(GetParam());
  for (auto& [name, image] : golden.inputs) {
    image = image.flip({image.scalar_type() == at::kByte ? 1 : -1});
  }
  const auto actual = preprocess(GetParam(), golden, config_of(GetParam().arguments));
  EXPECT_FALSE(actual.equal(golden.outputs.at("tensor")));
}

class Postprocess : public ::testing::TestWithParam<ModelCase> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Postprocess);
INSTANTIATE_TEST_SUITE_P(Diffusers, Postprocess,
                         ::testing::ValuesIn(model_cases("images", "postprocess")),
                         model_case_name);

TEST_P(Postprocess, EveryBitIsThatOfPython) {
  const auto golden = load_golden(GetParam());
  const VaeImageProcessor processor(config_of(GetParam().arguments));
  std::optional<std::vector<bool>> flags;
  if (const auto& given = GetParam().arguments.at("flags"); !given.is_null()) {
    flags = given.get<std::vector<bool>>();
  }
  const auto image = golden.inputs.at("image");
  const auto tensor = processor.postprocess_to_tensor(image, flags);
  EXPECT_EQ(tensor.scalar_type(), image.scalar_type());
  EXPECT_TRUE(tensor.equal(golden.outputs.at("tensor")));
  const auto pictures = processor.postprocess(image, flags);
  ASSERT_EQ(pictures.size(), 2u);
  for (size_t i = 0; i < pictures.size(); ++i) {
    const auto& expected = golden.outputs.at("picture." + std::to_string(i));
    EXPECT_TRUE(pictures[i].equal(expected)) << "picture " << i;
  }
  EXPECT_FALSE(processor.postprocess(image * 0.9, flags)[0].equal(pictures[0]));
}

TEST(VaeImageProcessor, MasksAreGreyAndBinary) {
  const auto config = VaeImageProcessorConfig::for_masks(16);
  EXPECT_EQ(config.vae_scale_factor, 16);
  const auto mask =
      VaeImageProcessor(config).preprocess(torch::randint(0, 256, {40, 50, 3}, torch::kByte));
  EXPECT_EQ(mask.sizes(), (std::vector<int64_t>{1, 1, 32, 48}));
  EXPECT_TRUE((mask.eq(0) | mask.eq(1)).all().item<bool>());
}

TEST(VaeImageProcessor, PicturesGoInAndComeOut) {
  const auto picture = torch::randint(0, 256, {16, 24, 3}, torch::kByte);
  const VaeImageProcessor processor;
  EXPECT_TRUE(processor.postprocess(processor.preprocess(picture))[0].equal(picture));
}

TEST(VaeImageProcessor, NotANumberIsBlack) {
  const auto image = torch::full({1, 3, 2, 2}, std::numeric_limits<float>::quiet_NaN());
  EXPECT_TRUE(VaeImageProcessor().postprocess(image)[0].eq(0).all().item<bool>());
}

TEST(VaeImageProcessor, RefusesByName) {
  expect_value_error(
      [] { VaeImageProcessor({.do_convert_rgb = true, .do_convert_grayscale = true}); },
      "[VaeImageProcessor] do_convert_rgb: expected not both it and do_convert_grayscale, got "
      "both");
  expect_value_error([] { VaeImageProcessor({.vae_scale_factor = 0}); },
                     "[VaeImageProcessor] vae_scale_factor: expected 1 or more, got 0");
  const VaeImageProcessor processor;
  const auto picture = torch::zeros({16, 16, 3}, torch::kByte);
  const auto kinds =
      "[VaeImageProcessor] image: expected pictures, uint8 [height, width, 1 to 4], or "
      "floating-point tensors [B, C, H, W] or [C, H, W], got "s;
  expect_value_error([&] { processor.preprocess(std::vector<at::Tensor>{}); },
                     "[VaeImageProcessor] image: expected one image or more, got none");
  expect_value_error([&] { processor.preprocess(picture.to(at::kInt)); },
                     kinds + "int32 [16, 16, 3]");
  expect_value_error(
      [&] {
        processor.preprocess({picture, torch::zeros({3, 16, 16})});
      },
      kinds + "float32 [3, 16, 16]");
  expect_value_error(
      [&] {
        processor.preprocess(torch::zeros({16, 16}));
      },
      kinds + "float32 [16, 16]");
  expect_value_error([&] { processor.preprocess(at::Tensor()); }, kinds + "an undefined tensor");
  expect_value_error(
      [&] {
        processor.preprocess({picture, picture.narrow(2, 0, 1)});
      },
      "[VaeImageProcessor] image: expected pictures as the first, [16, 16, 3], got "
      "[16, 16, 1]");
  expect_value_error([&] { processor.preprocess(picture, 7); },
                     "[VaeImageProcessor] height: expected 8 or more (vae_scale_factor), got 7");
  expect_value_error(
      [&] {
        processor.postprocess(torch::zeros({3, 8, 8}));
      },
      "[VaeImageProcessor] image: expected a floating-point tensor [B, C, H, W], got "
      "float32 [3, 8, 8]");
  expect_value_error(
      [&] {
        processor.postprocess(torch::zeros({2, 3, 8, 8}), std::vector{true});
      },
      "[VaeImageProcessor] do_denormalize: expected one value for each of 2 pictures, "
      "got 1");
}

}  // namespace
}  // namespace xattn::testing
