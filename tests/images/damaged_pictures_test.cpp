// Small pictures, damaged at every byte.
#include <gtest/gtest.h>

#include <filesystem>

#include "images/support/pictures.h"
#include "images/support/reading.h"
#include "io/support/temporary_folder.h"

namespace xattn::testing {
namespace {

struct Sample {
  const char* name;
  std::string bytes;
};

void PrintTo(const Sample& sample, std::ostream* stream) {
  *stream << sample.name;
}

std::string sample_name(const ::testing::TestParamInfo<Sample>& info) {
  return info.param.name;
}

std::string texts() {
  using namespace std::string_literals;
  return png_chunk("tEXt", "Title\0a"s) + png_chunk("zTXt", "z\0\0"s + deflated("text")) +
         png_chunk("iTXt", "i\0\1\0en\0\0"s + deflated("\xc3\xa9"));
}

std::string exif() {
  using namespace std::string_literals;
  return "MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"s;
}

std::string with_app1(const std::string& jpeg) {
  using namespace std::string_literals;
  const auto data = "Exif\0\0"s + exif();
  return jpeg.substr(0, 2) + "\xff\xe1" + '\0' + static_cast<char>(data.size() + 2) + data +
         jpeg.substr(2);
}

class Damaged : public ::testing::TestWithParam<Sample> {
 protected:
  void SetUp() override { ASSERT_TRUE(picture_reads(write_bytes(path_, bytes_))); }

  /// Flips every bit, one at a time; `judge(byte, bit, was_read)`.
  template <class Judge>
  void flip_every_bit(const Judge& judge) {
    for (std::size_t at = 0; at < bytes_.size(); ++at) {
      for (int bit = 0; bit < 8; ++bit) {
        write_byte_at(path_, at, static_cast<char>(bytes_[at] ^ (1 << bit)));
        judge(at, bit, picture_reads(path_));
        if (HasFailure()) return;
      }
      write_byte_at(path_, at, bytes_[at]);
    }
    ASSERT_TRUE(picture_reads(path_));
  }

  TemporaryFolder folder_;
  std::string path_ = folder_ / "file";
  const std::string& bytes_ = GetParam().bytes;
};

TEST_P(Damaged, IsRefusedWhereverItIsCutOff) {
  for (std::size_t size = bytes_.size(); size-- > 0;) {
    std::filesystem::resize_file(path_, size);
    ASSERT_FALSE(picture_reads(path_)) << "cut to " << size << " bytes";
  }
}

class DamagedPng : public Damaged {};

TEST_P(DamagedPng, IsRefusedWithAnyBitFlipped) {
  flip_every_bit([](std::size_t at, int bit, bool was_read) {
    EXPECT_FALSE(was_read) << "byte " << at << ", bit " << bit;
  });
}

class DamagedJpeg : public Damaged {};

// The format has no checksums: many flips only show. None may do more.
TEST_P(DamagedJpeg, IsReadOrRefusedWithAnyBitFlipped) {
  int refused = 0;
  flip_every_bit([&](std::size_t, int, bool was_read) { refused += !was_read; });
  EXPECT_GT(refused, 200);
}

const std::vector<Sample>& pngs() {
  static const std::vector<Sample> samples = {
      {"rgb", png_file({.before = texts(), .after = png_chunk("eXIf", exif())})},
      {"grey16", png_file({.depth = 16, .color = 0, .before = png_chunk("tRNS", "ab")})},
      {"interlaced", png_file({.color = 6, .interlace = 1})},
      {"palette", png_file({.depth = 2, .color = 3, .before = png_chunk("PLTE", "abcdef")})},
  };
  return samples;
}

const std::vector<Sample>& jpegs() {
  static const std::vector<Sample> samples = {
      {"baseline", with_app1(jpeg_file())},
      {"grey", jpeg_file({.components = 1})},
      {"cmyk", jpeg_file({.components = 4})},
      {"progressive", jpeg_file({.progressive = true})},
      {"restarts", jpeg_file({.with_restarts = true})},
      {"separate", jpeg_file({.separate_scans = true})},
  };
  return samples;
}

INSTANTIATE_TEST_SUITE_P(Png, Damaged, ::testing::ValuesIn(pngs()), sample_name);
INSTANTIATE_TEST_SUITE_P(Jpeg, Damaged, ::testing::ValuesIn(jpegs()), sample_name);
INSTANTIATE_TEST_SUITE_P(Files, DamagedPng, ::testing::ValuesIn(pngs()), sample_name);
INSTANTIATE_TEST_SUITE_P(Files, DamagedJpeg, ::testing::ValuesIn(jpegs()), sample_name);

}  // namespace
}  // namespace xattn::testing
