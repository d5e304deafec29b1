// Files that are made to do harm, or that are no pictures.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <filesystem>

#include "images/exif.h"
#include "images/support/pictures.h"
#include "images/support/reading.h"
#include "io/support/temporary_folder.h"
#include "xattn/core/error.h"

namespace xattn::testing {
namespace {

using namespace std::string_literals;

class Hostile : public ::testing::Test {
 protected:
  void expect_refused(std::string_view bytes, const std::string& reason) {
    SCOPED_TRACE(reason);
    expect_picture_refused(write_bytes(folder_ / "file", bytes), reason);
  }
  void expect_read(std::string_view bytes) {
    EXPECT_TRUE(picture_reads(write_bytes(folder_ / "file", bytes)));
  }

  TemporaryFolder folder_;
};

/// The most memory that the process has had, in KiB.
long most_memory() {  // NOLINT(google-runtime-int): rusage's
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

TEST_F(Hostile, SizesAreBoundedBeforeMemoryIsTaken) {
  const auto before = most_memory();
  const auto huge = png_file({.width = 0x7fffffff, .height = 0x7fffffff, .pixels = "x"});
  EXPECT_LT(huge.size(), 80u);
  expect_refused(huge, "is 2147483647×2147483647 pixels, expected at most 1000000 in all");
  expect_refused(png_file({.width = 1000, .height = 1001, .pixels = "x"}),
                 "is 1000×1001 pixels, expected at most 1000000 in all: a small file can claim");
  expect_refused(png_file({.width = 1000, .height = 1000, .pixels = "x"}),
                 "is cut short: 1000×1000 pixels need more than its 58 bytes");
  expect_refused(png_file({.width = 0, .height = 5, .pixels = "x"}), "IHDR");
  expect_refused(png_file({.width = 0x80000001, .height = 5, .pixels = "x"}), "");
  auto jpeg = jpeg_file();
  const auto frame = jpeg.find("\xff\xc0");
  jpeg.replace(frame + 5, 4, "\xff\xdc\xff\xdc");
  expect_refused(jpeg, "is 65500×65500 pixels, expected at most 1000000");
  EXPECT_LT(most_memory() - before, 64 << 10);
}

TEST_F(Hostile, DataOfAPngThatDoNotFitAreRefused) {
  const std::string lines(2 * 10, '\0');
  expect_read(png_file({.pixels = deflated(lines)}));
  expect_refused(png_file({.pixels = deflated(lines.substr(1))}), "cannot be decoded");
  expect_refused(png_file({.pixels = deflated(lines + '\0')}), "cannot be decoded");
  expect_refused(png_file({.pixels = "no deflated data"}), "cannot be decoded");
  auto wrong_sum = deflated(lines);
  wrong_sum.back() ^= 1;
  expect_refused(png_file({.pixels = wrong_sum}), "incorrect data check");
  expect_refused(png_file({.pixels = deflated(lines) + "more"}), "cannot be decoded");
  auto wrong_filter = lines;
  wrong_filter[0] = 7;
  expect_refused(png_file({.pixels = deflated(wrong_filter)}), "bad adaptive filter value");
}

TEST_F(Hostile, ChunksOfAPngThatAreWrongAreRefused) {
  expect_refused(png_file({.color = 3}), "Missing PLTE");
  expect_refused(png_file({.color = 3, .before = png_chunk("PLTE", "abcd")}), "PLTE");
  expect_refused(png_file({.before = png_chunk("tRNS", "a")}), "tRNS");
  expect_refused(png_file({.before = png_chunk("ABCD", "critical")}), "ABCD");
  expect_refused(png_file({.depth = 3}), "bit depth");
  expect_refused(png_file({.color = 5 /* no such type */, .pixels = "x"}), "IHDR");
  expect_refused(png_file({.has_end = false}), "is cut short");
  expect_refused(png_file({.before = "\xff\xff\xff\xffquit"}), "");
  expect_refused(png_file({.before = png_chunk("a\1b\2", "")}), "");
  expect_read(png_file() + "bytes behind the end, which decoders pass over");
}

TEST_F(Hostile, TextsAreBounded) {
  const std::string long_text((1 << 20) + 1, 'x');
  expect_read(png_file({.before = png_chunk("zTXt", "k\0\0"s + deflated(long_text.substr(1)))}));
  expect_refused(png_file({.before = png_chunk("zTXt", "k\0\0"s + deflated(long_text))}),
                 "expected a text of at most 1048576 bytes, got more");
  expect_refused(png_file({.after = png_chunk("iTXt", "k\0\1\0\0\0"s + deflated(long_text))}),
                 "expected a text of at most 1048576 bytes, got more");
  expect_refused(png_file({.before = png_chunk("zTXt", "k\0\0junk"s)}), "text is damaged");
  expect_refused(png_file({.before = png_chunk("zTXt", "k\0\1"s)}), "compression method 0");
  expect_refused(png_file({.before = png_chunk("zTXt", "k\0"s)}), "compression method 0");
  expect_refused(png_file({.before = png_chunk("iTXt", "k\0\2\0\0\0"s)}), "compression flag");
  expect_refused(png_file({.before = png_chunk("iTXt", "k\0\0\0en"s)}), "zero byte after each");
  expect_refused(png_file({.before = png_chunk("iTXt", "k\0\0\0\0\0\xff"s)}), "expected UTF-8");
  expect_refused(png_file({.before = png_chunk("tEXt", "\0text"s)}), "expected a keyword");
  expect_refused(png_file({.before = png_chunk("tEXt", std::string(80, 'k') + '\0')}),
                 "expected a keyword of 1 to 79 bytes");
}

TEST_F(Hostile, ScansOfAJpegAreBounded) {
  const auto jpeg = jpeg_file({.separate_scans = true});
  const auto first = jpeg.find("\xff\xda"), second = jpeg.find("\xff\xc4", first);
  ASSERT_NE(second, jpeg.npos);
  const auto scan = jpeg.substr(first, second - first);
  std::string repeated = jpeg.substr(0, first);
  for (int i = 0; i < 98; ++i) repeated += scan;
  expect_read(repeated + jpeg.substr(second));
  for (int i = 0; i < 5; ++i) repeated += scan;
  expect_refused(repeated + jpeg.substr(second), "expected at most 100 scans");
}

TEST_F(Hostile, KindsOfJpegThatAreNotReadAreNamed) {
  auto jpeg = jpeg_file();
  const auto frame = jpeg.find("\xff\xc0");
  auto changed = jpeg;
  changed[frame + 1] = '\xc3';
  expect_refused(changed, "SOF type 0xc3");
  changed = jpeg;
  changed[frame + 4] = 12;
  expect_refused(changed, "precision 12");
  changed = jpeg;
  changed[frame + 5] = changed[frame + 6] = 0;
  expect_refused(changed, "Empty JPEG image");
  expect_refused("\xff\xd8\xff\xe1", "");
  expect_refused("\xff\xd8\xff\xe1" + "\0\1"s, "expected a length of 2 or more, got 1");
  expect_refused("\xff\xd8\xff\xd9", "is cut short");
}

TEST_F(Hostile, DataThatADecoderWouldGuessAreRefused) {
  const auto jpeg = jpeg_file({.width = 64, .height = 64});
  auto changed = jpeg;
  const auto scan = changed.find("\xff\xda") + 14;
  for (std::size_t i = 0; i < 40; i += 2) changed.replace(scan + i, 2, "\xff\0"s);
  expect_refused(changed, "cannot be decoded, before byte");
  // An end in the middle: a decoder would show grey for the rest.
  changed = jpeg.substr(0, scan + 60) + "\xff\xd9";
  expect_refused(changed, "premature end of data");
}

TEST_F(Hostile, OtherFormatsAreNamed) {
  expect_refused("", "is empty");
  expect_refused("RIFF1234WEBPVP8 ", "is a WebP picture, expected PNG or JPEG: save it as PNG");
  expect_refused("GIF89a...", "is a GIF picture");
  expect_refused("BM......", "is a BMP picture");
  expect_refused("II*\0...."s, "is a TIFF picture");
  expect_refused("MM\0*...."s, "is a TIFF picture");
  expect_refused("\0\0\0\x1c"s + "ftypheic", "is a HEIC picture");
  expect_refused("\0\0\0\x1c"s + "ftypavif", "is an AVIF picture");
  expect_refused("\0\0\0\x0cJXL \r\n"s, "is a JPEG XL picture");
  expect_refused("P6\n1 1\n255\n", "is a PNM picture");
  expect_refused("<svg xmlns", "is an SVG drawing");
  expect_refused("<!DOCTYPE html>", "is a web page");
  expect_refused("version https://git-lfs.github.com/spec/v1", "is a Git LFS pointer");
  expect_refused("plain text", "is no picture that is known");
  expect_refused("\x89PNG\n\x1a\n", "is no picture that is known");
}

TEST(Exif, OfAnyBytesIsReadOrRefused) {
  const io::Subject subject{"test", "file"};
  const auto exif = "II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0"s;
  const auto whole = images::exif_orientation(subject, exif);
  EXPECT_TRUE(whole.has_tag);
  EXPECT_EQ(whole.value, 6);
  EXPECT_EQ(images::exif_orientation(subject, "Exif\0\0"s + exif).value, 6);
  EXPECT_FALSE(images::exif_orientation(subject, "").has_tag);
  for (std::size_t size = 8; size < exif.size(); ++size) {
    EXPECT_EQ(images::exif_orientation(subject, exif.substr(0, size)).has_tag, size >= 22) << size;
  }
  for (std::size_t size = 1; size < 8; ++size) {
    EXPECT_THROW(images::exif_orientation(subject, exif.substr(0, size)), FileError) << size;
  }
  for (std::size_t at = 0; at < exif.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      auto changed = exif;
      changed[at] = static_cast<char>(byte);
      try {
        images::exif_orientation(subject, changed);
      } catch (const FileError&) {
        EXPECT_LT(at, 4u);
      }
    }
  }
}

TEST(Xmp, OrientationIsAnAttributeOrAnElement) {
  EXPECT_EQ(images::xmp_orientation(""), 1);
  EXPECT_EQ(images::xmp_orientation("tiff:Orientation=\"8\""), 8);
  EXPECT_EQ(images::xmp_orientation("<tiff:Orientation>3<"), 3);
  EXPECT_EQ(images::xmp_orientation("tiff:Orientation tiff:Orientation='2' tiff:Orientation=\""),
            1);
}

}  // namespace
}  // namespace xattn::testing
