// Zips that are wrong in ways that a flipped bit cannot make.
#include <gtest/gtest.h>

#include <fstream>

#include "io/support/pickle_writer.h"
#include "io/support/reading.h"
#include "io/support/temporary_folder.h"
#include "io/support/zip_writer.h"
#include "io/zip_archive.h"
#include "support/processor_time.h"
#include "xattn/core/error.h"

namespace xattn::testing {
namespace {

const std::string kPickle = pickles::program(pickles::dict_of(pickles::tensor()));
const std::vector<ZipItem> kGood = {
    {"data.pkl", kPickle}, {"version", "3\n"}, {"data/0", pickles::kStorage}, {"byteorder", "little"}};

class Zip : public ::testing::Test {
 protected:
  void expect(const std::string& bytes, const std::string& reason) {
    expect_refused(write_bytes(folder_ / "file.pt", bytes), reason);
  }
  void expect_items(std::vector<ZipItem> items, const std::string& reason) {
    expect(make_zip(items), reason);
  }
  /// The good archive with `item` in the place of the one of its name, or added.
  std::vector<ZipItem> with(const ZipItem& item) {
    auto items = kGood;
    for (auto& other : items) {
      if (other.name == item.name) {
        other = item;
        return items;
      }
    }
    items.push_back(item);
    return items;
  }

  TemporaryFolder folder_;
};

TEST_F(Zip, OldArchivesAreRead) {
  const auto path = folder_ / "file.pt";
  read_everything(write_bytes(path, make_zip(kGood)));
  read_everything(write_bytes(path, make_zip({kGood[0], kGood[2], kGood[1]})));  // no byteorder
  // Without the zip64 records.
  std::string bytes = make_zip(kGood);
  bytes.erase(bytes.size() - 98, 76);
  read_everything(write_bytes(path, bytes));
}

TEST_F(Zip, TorchScriptOfOldPyTorchHasAllCodeCompressed) {
  const auto path = folder_ / "file.pt";
  auto items = with({"code/__torch__.py", std::string(5000, 'x'), true});
  items.push_back({"constants.pkl", "\x80\x02)."});
  read_everything(write_bytes(path, make_zip(items)));
}

TEST_F(Zip, EntriesThatMustBeThere) {
  expect_items({{"version", "3\n"}}, "expected an entry 'data.pkl'");
  expect_items({{"data.pkl", kPickle}, {"data/0", pickles::kStorage}}, "expected an entry 'version'");
  expect_items(with({"version", "11\n"}), "version: expected 1 to 10, got '11'");
  expect_items(with({"version", "0\n"}), "version: expected 1 to 10");
  expect_items(with({"version", "three\n"}), "version: expected 1 to 10");
  expect_items(with({"version", std::string(100, '3')}), "expected a few bytes");
  expect_items(with({"byteorder", "big"}), "byteorder: expected 'little', got 'big'");
  expect_items(with({"archive_format", "pt2"}), ".pt2 archive of torch.export");
  expect_items(with({".data/extern_modules", ""}), "torch.package");
}

TEST_F(Zip, CompressedWeightsAndBombs) {
  expect_items(with({"data/0", pickles::kStorage, true}), "'m/data/0': is compressed");
  expect_items(with({"data.pkl", kPickle, true}), "'m/data.pkl': is compressed");
  expect_items(with({"data/0", "short", true, 300ll << 20}), "at most 268435456 bytes inflated");
  const std::string zeros(20u << 20, '\0');
  expect_items(with({"data/0", zeros, true}), "is compressed");
  expect_items(with({"code/a.py", zeros, true, 1000}), "got more");
  expect_items(with({"code/a.py", "short", true, 100'000'000}), "got less or broken data");
  // A whole one is inflated piece by piece and thrown away.
  const auto path = write_bytes(folder_ / "file.pt", make_zip(with({"code/a.py", zeros, true})));
  const std::size_t before = Memory::live();
  Memory::reset_peak();
  read_everything(path);
  EXPECT_LT(Memory::peak() - before, 2u << 20);
}

TEST_F(Zip, NamesAndOrder) {
  auto twice = kGood;
  twice.push_back(kGood[2]);
  expect_items(twice, "'m/data/0': the name is there twice");
  expect_items({}, "is no file of weights");
  std::string other = make_zip(kGood);
  for (auto at = other.find("m/version"); at != std::string::npos; at = other.find("m/version")) {
    other[at] = 'n';
  }
  expect(other, "expected the root folder 'm', got 'n'");
  std::string flat = make_zip(kGood);
  for (auto at = flat.find("m/version"); at != std::string::npos; at = flat.find("m/version")) {
    flat.replace(at, 9, "m_version");
  }
  expect(flat, "inside one root folder");
}

TEST_F(Zip, ManyEntries) {
  auto items = kGood;
  for (int i = 0; i < 100'000; ++i) items.push_back({std::to_string(i), ""});
  const auto path = write_bytes(folder_ / "file.pt", make_zip(items));
  const std::size_t before = Memory::live();
  Memory::reset_peak();
  read_everything(path);
  EXPECT_LE(Memory::peak() - before, std::filesystem::file_size(path) + (20u << 20));
  items[0].data = pickles::program("N)R");
  expect_items(items, "expected a global to call");
}

// A hundred and twenty bytes an entry, which is what most memory beside the file is needed for.
TEST_F(Zip, AsManyEntriesAsMayBe) {
  auto items = kGood;
  for (int i = 0; items.size() < (1u << 18); ++i) {
    items.push_back({"extra/" + std::to_string(1'000'000'000'000 + i), ""});
  }
  const auto path = write_bytes(folder_ / "file.pt", make_zip(items));
  const std::size_t before = Memory::live();
  Memory::reset_peak();
  const ProcessorTime time;
  read_everything(path);
  EXPECT_LE(Memory::peak() - before, 48u << 20) << "the promise is the file's size and 64 MiB";
  EXPECT_LT(time.seconds(), 30);
  items.push_back({"one more", ""});
  expect_items(items, "expected at most 262144 entries, got 262145");
}

TEST_F(Zip, BombsOfManyEntries) {
  auto items = kGood;
  const std::string zeros(120u << 20, '\0');
  items.push_back({"code/0.py", zeros, true});
  expect_items(items, "bytes inflated in all, got 125829120");
  items.back().data.resize(20u << 20);
  read_everything(write_bytes(folder_ / "file.pt", make_zip(items)));
  for (int i = 1; i < 8; ++i) items.push_back({"code/" + std::to_string(i), items[4].data, true});
  expect_items(items, "bytes inflated in all, got 125829120");
}

TEST_F(Zip, NamesAreUtf8) {
  expect_items(with({"extra/\xff", ""}), "zip entry 'm/extra/\\xff': expected a name in UTF-8");
  read_everything(write_bytes(folder_ / "file.pt", make_zip(with({"extra/é", ""}))));
}

TEST_F(Zip, HolesAndOverlaps) {
  const std::string good = make_zip(kGood);
  expect(good.substr(0, 64) + good, "");
  expect("PK\3\4" + std::string(1000, '\0'), "expected the end record");
  expect(good.substr(0, 100), "expected the end record");
  // A second archive behind the first: its own directory has other offsets.
  expect(good + good, "zip64 locator: offset");
  // Bytes between the last entry and the directory.
  const auto directory = good.find("PK\1\2");
  expect(good.substr(0, directory) + "hole" + good.substr(directory), "");
}

TEST_F(Zip, CountsThatAreTooLarge) {
  std::string bytes = make_zip(kGood);
  const auto put = [&](std::size_t from_end, std::uint64_t value, int size) {
    const std::string text = pickles::le(value, size);
    bytes.replace(bytes.size() - from_end, text.size(), text);
  };
  put(98 - 24, 1ull << 40, 8);
  put(98 - 32, 1ull << 40, 8);
  put(22 - 8, 0xffff, 2);
  put(22 - 10, 0xffff, 2);
  expect(bytes, "at most 262144 entries");
  put(98 - 24, 1u << 17, 8);
  put(98 - 32, 1u << 17, 8);
  expect(bytes, "do not fit a directory");
  put(98 - 24, 3, 8);
  put(98 - 32, 3, 8);
  put(22 - 8, 3, 2);
  put(22 - 10, 3, 2);
  expect(bytes, "bytes follow the last directory entry");
}

TEST_F(Zip, SavesOfSizesThatAreNotThere) {
  auto items = kGood;
  items[2].claimed_size = 1'000'000;
  expect_items(items, "'m/data/0': expected 1000000 bytes");
  items[2].claimed_size = 15;
  expect_items(items, "descriptor signature");
}

/// A file of more than 4 GiB, most of it a hole: `large` bytes of data/0, then version.
class SparseZip64 : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kLarge = (1ull << 32) + 5;

  void SetUp() override {
    using pickles::le;
    const std::string flags = le(0x0808, 2) + le(0, 2);
    const std::string zip64_large = le(1, 2) + le(16, 2) + le(kLarge, 8);
    const std::string head = "PK\3\4" + le(0, 2) + flags + le(0, 16) + le(8, 2) + le(24, 2) +
                             "m/data/0" + zip64_large + le(0, 8) + "FB" + le(0, 2);
    const std::string sums = le(0x12345678, 4) + le(kLarge, 8) + le(kLarge, 8);
    const std::uint64_t second = head.size() + kLarge + 4 + sums.size();
    const std::string crc = le(0x55679ed1, 4);
    const std::string far = le(1, 2) + le(8, 2) + le(second, 8);
    std::string tail = "PK\7\10" + sums + "PK\3\4" + le(0, 2) + flags + le(0, 16) + le(9, 2) +
                       le(16, 2) + "m/version" + far + "FB" + le(0, 2) + "3\nPK\7\10" + crc +
                       le(2, 8) + le(2, 8);
    const std::uint64_t directory = head.size() + kLarge + tail.size();
    const std::string entries = "PK\1\2" + le(0, 4) + flags + le(0, 4) + le(0x12345678, 4) +
                                le(~0ull, 8) + le(8, 2) + le(20, 2) + le(0, 14) + "m/data/0" +
                                zip64_large + le(kLarge, 8) + "PK\1\2" + le(0, 4) + flags +
                                le(0, 4) + crc + le(2, 4) + le(2, 4) + le(9, 2) + le(12, 2) +
                                le(0, 10) + le(~0ull, 4) + "m/version" + far;
    tail += entries + "PK\6\6" + le(44, 8) + le(0x031e, 2) + le(45, 2) + le(0, 8) + le(2, 8) +
            le(2, 8) + le(entries.size(), 8) + le(directory, 8) + "PK\6\7" + le(0, 4) +
            le(directory + entries.size(), 8) + le(1, 4) + "PK\5\6" + le(0, 4) + le(2, 2) +
            le(2, 2) + le(entries.size(), 4) + le(~0ull, 4) + le(0, 2);
    path_ = write_bytes(folder_ / "large.pt", head);
    std::filesystem::resize_file(path_, head.size() + kLarge);
    std::ofstream(path_, std::ios::binary | std::ios::app) << tail;
    tail_at_ = head.size() + kLarge;
    tail_ = tail;
  }

  TemporaryFolder folder_;
  std::string path_;
  std::uint64_t tail_at_ = 0;
  std::string tail_;
};

TEST_F(SparseZip64, SizesAndOffsetsBeyondFourGiB) {
  const io::File file("test", path_);
  const io::ZipArchive zip(file);
  ASSERT_EQ(zip.entries().size(), 2u);
  EXPECT_EQ(zip.find("data/0")->size, kLarge);
  std::string version(2, '\0');
  zip.read(*zip.find("version"), version.data());
  EXPECT_EQ(version, "3\n");
}

TEST_F(SparseZip64, AnyBitFlippedBehindTheDataIsRefused) {
  for (std::size_t at = 0; at < tail_.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      write_byte_at(path_, tail_at_ + at, static_cast<char>(tail_[at] ^ (1 << bit)));
      const auto read = [&] {
        const io::File file("test", path_);
        const io::ZipArchive zip(file);
        zip.verify(*zip.find("version"));
      };
      // The large entry's own CRC is only known to be wrong once its 4 GiB are read.
      EXPECT_THROW(read(), FileError) << at << ' ' << bit;
    }
    write_byte_at(path_, tail_at_ + at, tail_[at]);
  }
}

TEST_F(Zip, WhatIsNoFile) {
  expect_refused(folder_.path().string(), "is a directory");
  EXPECT_FALSE(reads(folder_ / "missing.pt"));
  EXPECT_FALSE(reads("/dev/null"));
  EXPECT_FALSE(reads("/dev/zero"));
}

}  // namespace
}  // namespace xattn::testing
