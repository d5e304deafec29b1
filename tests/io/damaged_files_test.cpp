// The smallest file of each format, damaged at every byte.
#include <gtest/gtest.h>

#include "io/file.h"
#include "io/little_endian.h"
#include "io/support/reading.h"
#include "io/support/temporary_folder.h"
#include "io/support/zip_writer.h"
#include "io/zip_archive.h"

namespace xattn::testing {
namespace {

class TinyFile : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const auto files = golden_files();
    if (files.empty()) GTEST_SKIP() << "no golden data";
    bytes_ = read_bytes((files / "tiny" / GetParam()).string());
    path_ = write_bytes(folder_ / "file", bytes_);
    ASSERT_TRUE(reads(path_));
  }

  /// Flips every bit from `begin` to `end`, one at a time; `judge(byte, bit, was_read)`.
  template <class Judge>
  void flip_every_bit(std::size_t begin, std::size_t end, const Judge& judge) {
    for (std::size_t at = begin; at < end; ++at) {
      for (int bit = 0; bit < 8; ++bit) {
        write_byte_at(path_, at, static_cast<char>(bytes_[at] ^ (1 << bit)));
        judge(at, bit, reads(path_));
        if (HasFailure()) return;
      }
      write_byte_at(path_, at, bytes_[at]);
    }
    ASSERT_TRUE(reads(path_));
  }

  TemporaryFolder folder_;
  std::string bytes_;
  std::string path_;
};

TEST_P(TinyFile, IsRefusedWhereverItIsCutOff) {
  for (std::size_t size = bytes_.size(); size-- > 0;) {
    std::filesystem::resize_file(path_, size);
    ASSERT_FALSE(reads(path_)) << "cut to " << size << " bytes";
  }
}

TEST_P(TinyFile, IsRefusedWithBytesBehindOrInFront) {
  write_bytes(path_, bytes_ + '\0');
  EXPECT_FALSE(reads(path_));
  write_bytes(path_, '\0' + bytes_);
  EXPECT_FALSE(reads(path_));
  write_bytes(path_, bytes_ + bytes_);
  EXPECT_FALSE(reads(path_));
}

INSTANTIATE_TEST_SUITE_P(Formats, TinyFile,
                         ::testing::Values("state_dict", "scripted", "traced", "safetensors"));

class TinyZip : public TinyFile {};

TEST_P(TinyZip, IsRefusedWithAnyBitFlipped) {
  // Compressed code can spell the same text in two ways: such a flip loses nothing and may pass.
  std::vector<std::pair<std::size_t, std::size_t>> packed;
  {
    const io::File file("test", path_);
    const io::ZipArchive zip(file);
    for (const auto& entry : zip.entries()) {
      if (entry.deflated)
        packed.emplace_back(entry.data_offset, entry.data_offset + entry.packed_size);
    }
  }
  const auto is_packed = [&](std::size_t at) {
    return std::any_of(packed.begin(), packed.end(),
                       [&](const auto& range) { return at >= range.first && at < range.second; });
  };
  std::size_t passed = 0;
  flip_every_bit(0, bytes_.size(), [&](std::size_t at, int bit, bool was_read) {
    if (is_packed(at)) {
      passed += was_read;
    } else {
      EXPECT_FALSE(was_read) << "byte " << at << " bit " << bit;
    }
  });
  EXPECT_LT(passed, bytes_.size() * 8 / 100);
}

INSTANTIATE_TEST_SUITE_P(Formats, TinyZip, ::testing::Values("state_dict", "scripted"));

class TinySafetensors : public TinyFile {};

TEST_P(TinySafetensors, NeverCrashesWithABitFlippedInTheHeader) {
  const std::size_t header = 8 + io::load_u64(bytes_.data());
  std::size_t passed = 0;
  flip_every_bit(0, header, [&](std::size_t at, int bit, bool was_read) {
    EXPECT_FALSE(at < 8 && was_read) << "byte " << at << " bit " << bit;
    passed += was_read;
  });
  // Only other letters in names and metadata, and white space in the padding, make a valid header.
  EXPECT_LT(passed, header * 8 / 3);
}

INSTANTIATE_TEST_SUITE_P(Formats, TinySafetensors, ::testing::Values("safetensors"));

class DamagedPickle : public ::testing::TestWithParam<const char*> {};

TEST_P(DamagedPickle, NeverCrashesWithABitFlippedAndRightChecksums) {
  const auto files = golden_files();
  if (files.empty()) GTEST_SKIP() << "no golden data";
  const io::File file("test", (files / GetParam()).string());
  const io::ZipArchive zip(file);
  std::vector<ZipItem> items;
  std::size_t pickle_at = 0;
  for (const auto& entry : zip.entries()) {
    if (entry.deflated) continue;
    if (entry.name == "data.pkl") pickle_at = items.size();
    items.push_back({std::string(entry.name), std::string(entry.size, '\0')});
    zip.read(entry, items.back().data.data());
  }
  TemporaryFolder folder;
  std::string& pickle = items[pickle_at].data;
  const std::string path = write_bytes(folder / "file", make_zip(items));
  ASSERT_TRUE(reads(path));
  std::size_t passed = 0;
  // Large pickles: about every second byte, another bit each time.
  const std::size_t step = pickle.size() > 1000 ? 17 : 1;
  for (std::size_t bit = 0; bit < pickle.size() * 8; bit += step) {
    pickle[bit / 8] ^= static_cast<char>(1 << (bit % 8));
    passed += reads(write_bytes(path, make_zip(items)));
    pickle[bit / 8] ^= static_cast<char>(1 << (bit % 8));
    ASSERT_FALSE(HasFailure()) << "bit " << bit;
  }
  EXPECT_LT(passed, pickle.size() * 8 / step);
}

INSTANTIATE_TEST_SUITE_P(Files, DamagedPickle,
                         ::testing::Values("tiny/state_dict", "tiny/scripted", "good/mixed_p2.pt",
                                           "good/mixed_p4.pt"));

}  // namespace
}  // namespace xattn::testing
