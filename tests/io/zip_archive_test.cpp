// Zips that are wrong in ways that a flipped bit cannot make.
#include <gtest/gtest.h>

#include "io/support/pickle_writer.h"
#include "io/support/reading.h"
#include "io/support/temporary_folder.h"
#include "io/support/zip_writer.h"

namespace xattn::testing {
namespace {

const std::string kPickle = pickles::program(pickles::dict_of(pickles::tensor()));
const std::string kStorage(16, '\1');
const std::vector<ZipItem> kGood = {
    {"data.pkl", kPickle}, {"version", "3\n"}, {"data/0", kStorage}, {"byteorder", "little"}};

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
  expect_items({{"data.pkl", kPickle}, {"data/0", kStorage}}, "expected an entry 'version'");
  expect_items(with({"version", "11\n"}), "version: expected 1 to 10, got '11'");
  expect_items(with({"version", "0\n"}), "version: expected 1 to 10");
  expect_items(with({"version", "three\n"}), "version: expected 1 to 10");
  expect_items(with({"version", std::string(100, '3')}), "expected a few bytes");
  expect_items(with({"byteorder", "big"}), "byteorder: expected 'little', got 'big'");
  expect_items(with({"archive_format", "pt2"}), ".pt2 archive of torch.export");
  expect_items(with({".data/extern_modules", ""}), "torch.package");
}

TEST_F(Zip, CompressedWeightsAndBombs) {
  expect_items(with({"data/0", kStorage, true}), "'m/data/0': is compressed");
  expect_items(with({"data.pkl", kPickle, true}), "'m/data.pkl': is compressed");
  expect_items(with({"data/0", std::string(300u << 20, '\0'), true}), "at most 268435456 bytes inflated");
  const std::string zeros(50u << 20, '\0');
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

TEST_F(Zip, WhatIsNoFile) {
  expect_refused(folder_.path().string(), "is a directory");
  EXPECT_FALSE(reads(folder_ / "missing.pt"));
  EXPECT_FALSE(reads("/dev/null"));
  EXPECT_FALSE(reads("/dev/zero"));
}

}  // namespace
}  // namespace xattn::testing
