// Pictures read, converted and resized, against Pillow.

#include <fstream>

#include "images/support/pictures.h"
#include "support/model_golden.h"
#include "xattn/images/convert.h"
#include "xattn/images/jpeg.h"
#include "xattn/images/load_image.h"
#include "xattn/images/png.h"
#include "xattn/images/resize.h"

namespace xattn::testing {
namespace {

std::string picture_of(const ModelCase& model_case) {
  return (model_case.directory / "picture").string();
}

/// Says where two pictures differ first.
::testing::AssertionResult is_same_picture(const at::Tensor& actual, const at::Tensor& expected) {
  if (actual.scalar_type() != at::kByte || actual.sizes() != expected.sizes()) {
    return ::testing::AssertionFailure()
           << "sizes " << actual.sizes() << ", expected " << expected.sizes();
  }
  const auto differing = actual.ne(expected).nonzero();
  if (differing.size(0) == 0) return ::testing::AssertionSuccess();
  const auto first = differing[0];
  const auto pixel = [&](const at::Tensor& picture) {
    return picture[first[0].item<int64_t>()][first[1].item<int64_t>()];
  };
  return ::testing::AssertionFailure()
         << differing.size(0) << " values differ, first at line " << first[0].item<int64_t>()
         << ", column " << first[1].item<int64_t>() << ": " << pixel(actual) << "expected "
         << pixel(expected);
}

class PicturesParity : public ::testing::TestWithParam<ModelCase> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(PicturesParity);

std::vector<ModelCase> pictures() {
  auto cases = model_cases("images", "png");
  for (auto& each : model_cases("images", "jpeg")) cases.push_back(std::move(each));
  return cases;
}
INSTANTIATE_TEST_SUITE_P(Pillow, PicturesParity, ::testing::ValuesIn(pictures()), model_case_name);

TEST_P(PicturesParity, PixelsAreThoseOfPython) {
  const auto golden = load_golden(GetParam());
  const auto path = picture_of(GetParam());
  const auto pixels = GetParam().module == "png" ? load_png(path) : load_jpeg(path);
  EXPECT_TRUE(is_same_picture(convert_to_rgb(pixels), golden.outputs.at("rgb")));
  EXPECT_TRUE(is_same_picture(convert_to_grey(pixels), golden.outputs.at("grey")));
  EXPECT_TRUE(is_same_picture(load_image(path), golden.outputs.at("load_image")));
  if (const auto rgba = golden.outputs.find("rgba"); rgba != golden.outputs.end()) {
    const bool has_alpha = pixels.size(2) % 2 == 0;
    const auto alpha = rgba->second.narrow(2, 3, 1);
    EXPECT_TRUE(is_same_picture(
        has_alpha ? pixels.narrow(2, pixels.size(2) - 1, 1) : at::full_like(alpha, 255), alpha));
    EXPECT_TRUE(is_same_picture(convert_to_rgb(pixels), rgba->second.narrow(2, 0, 3)));
  }
}

// Of the twin: one bit of one pixel.
TEST_P(PicturesParity, OnePixelOffIsAnotherPicture) {
  const auto golden = load_golden(GetParam());
  auto pixels = load_image(picture_of(GetParam()));
  pixels[0][0][0].bitwise_xor_(1);
  EXPECT_FALSE(is_same_picture(pixels, golden.outputs.at("load_image")));
}

TEST(TextsParity, AreThoseOfPython) {
  const auto cases = model_cases("images", "text");
  if (cases.empty()) GTEST_SKIP() << "no golden data";
  auto expected = cases.front().arguments.at("text").get<std::map<std::string, std::string>>();
  EXPECT_EQ(expected.size(), 7u);
  EXPECT_EQ(load_png_text(picture_of(cases.front())), expected);
  expected["Title"] += '.';
  EXPECT_NE(load_png_text(picture_of(cases.front())), expected);
}

TEST(ConvertParity, GreyIsThatOfPython) {
  const auto cases = model_cases("images", "convert");
  if (cases.empty()) GTEST_SKIP() << "no golden data";
  const auto golden = load_golden(cases.front());
  const auto pixels = golden.inputs.at("pixels");
  EXPECT_TRUE(is_same_picture(convert_to_grey(pixels), golden.outputs.at("grey")));
  EXPECT_FALSE(is_same_picture(convert_to_grey(pixels.flip({2})), golden.outputs.at("grey")));
}

Resampling resampling_of(const std::string& name) {
  if (name == "nearest") return Resampling::kNearest;
  if (name == "box") return Resampling::kBox;
  if (name == "bilinear") return Resampling::kBilinear;
  if (name == "bicubic") return Resampling::kBicubic;
  EXPECT_EQ(name, "lanczos");
  return Resampling::kLanczos;
}

class ResizeParity : public ::testing::TestWithParam<ModelCase> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ResizeParity);
INSTANTIATE_TEST_SUITE_P(Pillow, ResizeParity, ::testing::ValuesIn(model_cases("images", "resize")),
                         model_case_name);

TEST_P(ResizeParity, EveryBitIsThatOfPython) {
  const auto golden = load_golden(GetParam());
  const auto pixels = golden.inputs.at("pixels");
  for (const auto& [name, expected] : golden.outputs) {
    const auto resampling = resampling_of(name.substr(0, name.find('.')));
    EXPECT_TRUE(
        is_same_picture(resize(pixels, expected.size(0), expected.size(1), resampling), expected))
        << name;
  }
}

class AnotherFilter : public ::testing::TestWithParam<ModelCase> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(AnotherFilter);

/// One pixel is the same by any filter.
std::vector<ModelCase> several_pixels() {
  auto cases = model_cases("images", "resize");
  std::erase_if(cases, [](const ModelCase& each) { return each.name.ends_with("_1x1"); });
  return cases;
}
INSTANTIATE_TEST_SUITE_P(Pillow, AnotherFilter, ::testing::ValuesIn(several_pixels()),
                         model_case_name);

TEST_P(AnotherFilter, GivesAnotherPicture) {
  const auto golden = load_golden(GetParam());
  const auto pixels = golden.inputs.at("pixels");
  int same = 0, all = 0;
  for (const auto& [name, expected] : golden.outputs) {
    if (!name.starts_with("lanczos")) continue;
    ++all;
    const auto actual = resize(pixels, expected.size(0), expected.size(1), Resampling::kBicubic);
    same += static_cast<bool>(is_same_picture(actual, expected));
  }
  EXPECT_LT(same, all);
}

}  // namespace
}  // namespace xattn::testing
