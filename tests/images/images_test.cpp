#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include "images/support/pictures.h"
#include "io/support/temporary_folder.h"
#include "support/errors.h"
#include "xattn/images/convert.h"
#include "xattn/images/jpeg.h"
#include "xattn/images/load_image.h"
#include "xattn/images/png.h"
#include "xattn/images/resize.h"

namespace xattn::testing {
namespace {

using namespace std::string_literals;

at::Tensor random_pixels(int64_t height, int64_t width, int64_t channels) {
  return torch::randint(0, 256, {height, width, channels}, torch::kByte);
}

void expect_file_error(const std::function<void()>& call, const std::string& start) {
  try {
    call();
    ADD_FAILURE() << "no error; expected: " << start;
  } catch (const FileError& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with(start)) << error.what();
  }
}

TEST(SavePng, IsReadAgain) {
  const TemporaryFolder folder;
  for (int64_t channels = 1; channels <= 4; ++channels) {
    const auto pixels = random_pixels(19, 23, channels);
    save_png(folder / "picture.png", pixels);
    EXPECT_TRUE(load_png(folder / "picture.png").equal(pixels));
    const auto turned = pixels.transpose(0, 1).flip({0});
    save_png(folder / "picture.png", turned);
    EXPECT_TRUE(load_png(folder / "picture.png").equal(turned));
    EXPECT_TRUE(load_image(folder / "picture.png").equal(convert_to_rgb(turned)));
  }
}

TEST(SavePng, WritesTextsAsLatin1WhereItCan) {
  const TemporaryFolder folder;
  const std::map<std::string, std::string> text = {
      {"parameters", "a cat\nSteps: 20"}, {"Été", "½ é ÿ"}, {"prompt", "猫 🐈"}, {"empty", ""}};
  save_png(folder / "file", random_pixels(2, 2, 3), text);
  EXPECT_EQ(load_png_text(folder / "file"), text);
  const auto bytes = read_bytes(folder / "file");
  EXPECT_NE(bytes.find("tEXt\xc9t\xe9"s + "\0\xbd \xe9 \xff"s), bytes.npos);
  EXPECT_NE(bytes.find("iTXtprompt\0\0\0\0\0猫"s), bytes.npos);
}

TEST(SavePng, RefusesWhatPngDoesNotHave) {
  const TemporaryFolder folder;
  const auto path = folder / "file";
  const auto pixels = random_pixels(2, 2, 3);
  const auto start =
      "[save_png] pixels: expected uint8 [height, width, 1 to 4 channels] on the CPU, got "s;
  expect_value_error([&] { save_png(path, pixels.to(at::kFloat)); }, start + "float32");
  expect_value_error([&] { save_png(path, pixels[0]); }, start + "[2, 3]");
  expect_value_error([&] { save_png(path, random_pixels(2, 2, 5)); }, start + "[2, 2, 5]");
  expect_value_error([&] { save_png(path, random_pixels(0, 2, 3)); }, start + "[0, 2, 3]");
  expect_value_error([&] { save_png(path, {}); }, start + "an undefined tensor");
  const auto keyword_rule =
      ": expected 1 to 79 printable characters of Latin-1, with single spaces between them"s;
  for (const auto& key : {""s, " a"s, "a "s, "a  b"s, "a\nb"s, "猫"s}) {
    EXPECT_THROW(save_png(path, pixels, {{key, "text"}}), ValueError) << key;
  }
  expect_value_error(
      [&] {
        save_png(path, pixels, {{"a  b", ""}});
      },
      "[save_png] " + path + ": keyword 'a  b'" + keyword_rule);
  expect_value_error(
      [&] {
        save_png(path, pixels, {{"a", "\xff"}});
      },
      "[save_png] " + path + ": text of 'a': expected UTF-8");
  expect_value_error(
      [&] {
        save_png(path, pixels, {{"a", "\0"s}});
      },
      "[save_png] " + path + ": text of 'a': expected no zero bytes");
  EXPECT_TRUE(std::filesystem::is_empty(folder.path())) << "nothing is left behind";
  EXPECT_THROW(save_png(folder / "missing/file", pixels), FileError);
}

TEST(LoadPicture, OfTheOtherFormatSaysWhoReadsIt) {
  const TemporaryFolder folder;
  const auto png = write_bytes(folder / "picture.jpg", png_file());
  const auto jpeg = write_bytes(folder / "picture.png", jpeg_file());
  EXPECT_EQ(load_image(png).sizes(), (std::vector<int64_t>{2, 3, 3}));
  EXPECT_EQ(load_image(jpeg).sizes(), (std::vector<int64_t>{12, 20, 3}));
  expect_file_error([&] { load_png(jpeg); },
                    "[load_png] " + jpeg + ": is a JPEG picture, expected PNG: read it with");
  expect_file_error([&] { load_jpeg(png); },
                    "[load_jpeg] " + png + ": is a PNG picture, expected JPEG: read it with");
  expect_file_error([&] { load_png_text(jpeg); }, "[load_png_text] " + jpeg + ": is a JPEG");
  expect_file_error([&] { load_image(folder / "none"); },
                    "[load_image] " + (folder / "none") + ": cannot be opened: ");
  expect_file_error([&] { load_image(folder.path().string()); },
                    "[load_image] " + folder.path().string() + ": is a directory");
}

TEST(LoadPicture, HasALimitOfPixelsThatCanBeRaised) {
  const TemporaryFolder folder;
  const auto path = write_bytes(folder / "file", png_file({.width = 20, .height = 6}));
  EXPECT_EQ(load_image(path, {.max_pixels = 120}).size(0), 6);
  expect_file_error([&] { load_image(path, {.max_pixels = 119}); },
                    "[load_image] " + path + ": is 20×6 pixels, expected at most 119 in all");
  const auto bomb =
      write_bytes(folder / "bomb", png_file({.width = 13378, .height = 13378, .pixels = "x"}));
  expect_file_error([&] { load_png(bomb); },
                    "[load_png] " + bomb + ": is 13378×13378 pixels, expected at most 178956970");
}

TEST(LoadPicture, RefusesExifDataThatAreNone) {
  const TemporaryFolder folder;
  const auto path =
      write_bytes(folder / "file", png_file({.before = png_chunk("eXIf", "no TIFF header")}));
  expect_file_error([&] { load_image(path); },
                    "[load_image] " + path + ": its Exif data begin with 'no T', expected a TIFF");
  EXPECT_EQ(load_png(path).size(0), 2);
}

TEST(Resize, ToTheSameSizeIsACopy) {
  const auto pixels = random_pixels(5, 7, 4);
  const auto same = resize(pixels, 5, 7, Resampling::kLanczos);
  EXPECT_TRUE(same.equal(pixels));
  EXPECT_NE(same.data_ptr(), pixels.data_ptr());
}

TEST(Resize, IsTheSameForAnyStridesAndNumberOfThreads) {
  const auto pixels = random_pixels(300, 200, 3);
  const auto threads = at::get_num_threads();
  const auto expected = resize(pixels, 150, 401, Resampling::kBicubic);
  at::set_num_threads(threads == 1 ? 2 : 1);
  EXPECT_TRUE(resize(pixels, 150, 401, Resampling::kBicubic).equal(expected));
  at::set_num_threads(threads);
  const auto strided = pixels.transpose(0, 1).contiguous().transpose(0, 1);
  EXPECT_TRUE(resize(strided, 150, 401, Resampling::kBicubic).equal(expected));
}

TEST(Resize, RefusesOtherTensorsAndSizes) {
  const auto pixels = random_pixels(5, 7, 3);
  expect_value_error([&] { resize(pixels, 0, 7, Resampling::kBox); },
                     "[resize] height: expected 1 to 2147483647, got 0");
  expect_value_error([&] { resize(pixels, 5, int64_t{1} << 31, Resampling::kBox); },
                     "[resize] width: expected 1 to 2147483647, got 2147483648");
  EXPECT_THROW(resize(pixels.to(at::kFloat), 5, 5, Resampling::kBox), ValueError);
  EXPECT_THROW(convert_to_rgb(pixels[0]), ValueError);
  EXPECT_THROW(convert_to_grey(pixels.to(at::kInt)), ValueError);
}

}  // namespace
}  // namespace xattn::testing
