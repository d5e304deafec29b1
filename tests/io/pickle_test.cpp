// What a pickle means, where the obvious reading is not Python's, and what reading it may cost.
#include <gtest/gtest.h>

#include "io/decimal.h"
#include "io/support/pickle_writer.h"
#include "io/support/reading.h"
#include "io/support/temporary_folder.h"
#include "io/support/zip_writer.h"
#include "io/weights_file.h"
#include "support/processor_time.h"

namespace xattn::testing {
namespace {

using namespace pickles;
using namespace std::string_literals;

class PickleMeaning : public ::testing::Test {
 protected:
  std::string write(const std::string& body) {
    return write_bytes(folder_ / "file.pt", make_archive(program(body), {kStorage}));
  }
  std::map<std::string, Attribute> attributes(const std::string& body) {
    const auto& contents = open(body);
    return {contents.attributes.begin(), contents.attributes.end()};
  }
  const io::Contents& open(const std::string& body) {
    file_ = io::WeightsFile::open("test", write(body));
    return file_->contents();
  }
  /// Ten times the promised 100 ns a byte and 0.2 s.
  void expect_quick(const std::string& body, const std::string& reason) {
    const auto path = write(body);
    const ProcessorTime time;
    if (reason.empty()) {
      read_everything(path);
    } else {
      expect_refused(path, reason);
    }
    EXPECT_LT(time.seconds(), 2 + 1e-6 * static_cast<double>(body.size()));
  }

  TemporaryFolder folder_;
  std::unique_ptr<io::WeightsFile> file_;
};

TEST_F(PickleMeaning, MemoizeCountsTheEntriesThatAreThere) {
  // Entry 5 is put by number, so the next has the number 1, as len(memo) is in Python.
  EXPECT_EQ(attributes("](K\7r"s + le(5, 4) + "K\10\x94h\1h\5e"s),
            (std::map<std::string, Attribute>{{"0", std::int64_t{7}},
                                              {"1", std::int64_t{8}},
                                              {"2", std::int64_t{8}},
                                              {"3", std::int64_t{7}}}));
  // Putting one again does not count.
  EXPECT_EQ(attributes("](K\7q\0q\0K\10\x94h\1e"s).at("2"), Attribute(std::int64_t{8}));
}

TEST_F(PickleMeaning, AStorageHasTheTypeOfItsFirstMention) {
  Tensor floats, ints;
  floats.size = ints.size = "K\2\x85";
  floats.stride = ints.stride = "K\1\x85";
  ints.storage = storage("IntStorage", "0", 4);
  const auto dtypes = [&](const std::string& body) {
    std::vector<DType> types;
    for (const auto& tensor : open(body).tensors) types.push_back(tensor.dtype);
    return types;
  };
  EXPECT_EQ(dtypes("](" + tensor(floats) + tensor(ints) + "e"),
            (std::vector{DType::kFloat32, DType::kFloat32}));
  EXPECT_EQ(dtypes("](" + tensor(ints) + tensor(floats) + "e"),
            (std::vector{DType::kInt32, DType::kInt32}));
  EXPECT_EQ(file_->storage_count(), 1u);
  ints.storage = storage("LongStorage", "0", 77);  // Python does not look at the rest either
  EXPECT_EQ(dtypes("](" + tensor(floats) + tensor(ints) + "e"),
            (std::vector{DType::kFloat32, DType::kFloat32}));
  expect_refused(write(tensor({.storage = storage("FloatStorage", std::string(256, '0'), 4)})),
                 "storage key: expected a short str");
}

TEST_F(PickleMeaning, NegativesAreOfWhatHasThem) {
  const auto neg = Tensor().rest + "}" + text("neg") + "\x88s";
  EXPECT_TRUE(open(tensor({.rest = neg})).tensors[0].negative);
  EXPECT_TRUE(
      open(tensor({.storage = storage("IntStorage", "0", 4), .rest = neg})).tensors[0].negative);
  for (const auto& [type, count, name] : {std::tuple{"BoolStorage", 16, "bool"},
                                          {"Float8_e5m2Storage", 16, "float8_e5m2"},
                                          {"UInt16Storage", 8, "uint16"}}) {
    expect_refused(write(tensor({.storage = storage(type, "0", count), .rest = neg})),
                   "metadata: 'neg' on a tensor of "s + name);
  }
}

TEST_F(PickleMeaning, CountersAreDicts) {
  const auto counter = global("collections", "Counter");
  EXPECT_EQ(attributes(dict_of(counter + "}(K\x1eK\1K\x50K\2u\x85R"s)),
            (std::map<std::string, Attribute>{{"weight.30", std::int64_t{1}},
                                              {"weight.80", std::int64_t{2}}}));
  EXPECT_TRUE(attributes(dict_of(counter + ")R")).empty());
  expect_refused(write(dict_of(counter + "K\1\x85R")), "1 arguments");
  expect_refused(write(dict_of(counter + "}}\x86R")), "2 arguments");
}

TEST_F(PickleMeaning, LargeIntegersAreDecimals) {
  EXPECT_EQ(io::decimal(""), "0");
  EXPECT_EQ(io::decimal("\0"s), "0");
  EXPECT_EQ(io::decimal("\xff"), "-1");
  EXPECT_EQ(io::decimal("\x00\xca\x9a\x3b"s), "1000000000");
  EXPECT_EQ(io::decimal("\x00\x00\x00\x00\x00\x00\x00\x00\x80"s), "-2361183241434822606848");
  EXPECT_EQ(io::decimal("\x00\x00\x00\x00\x00\x00\x00\x80\x00"s), "9223372036854775808");
  EXPECT_EQ(io::decimal("\x00\x00\x64\xa7\xb3\xb6\xe0\x0d\x00"s), "1000000000000000000");
  EXPECT_EQ(io::decimal("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
            "170141183460469231731687303715884105727");
}

TEST_F(PickleMeaning, LargeIntegersAreReadInTime) {
  const auto large = "\x8b"s + le(1023, 4) + std::string(1022, '\x5a') + "\1";
  std::string recalled = "](" + large + "q\0"s;
  for (int i = 0; i < 12'000; ++i) recalled += "h\0"s;
  expect_quick(recalled + "e", "is one of more large integers than a file of this size may use");
  std::string many = "](";
  for (int i = 0; i < 1'000; ++i) many += large;
  expect_quick(many + "e", "");
}

TEST_F(PickleMeaning, LongNamesAreReadInTime) {
  const auto key = text(std::string((1u << 20) - 100, 'k'));
  std::string lists = "}(" + key + "](]q\0"s;
  for (int i = 0; i < 500'000; ++i) lists += "h\0"s;
  expect_quick(lists + "eu", "");
  std::string chain = "}";  // sixty names, one inside the other, above many empty lists
  for (int i = 0; i < 60; ++i) chain += text(std::string(17'000, 'k')) + "}";
  chain += text("x") + "](]q\0"s;
  for (int i = 0; i < 400'000; ++i) chain += "h\0"s;
  expect_quick(chain + "e" + std::string(61, 's'), "");
  std::string keys = "](" + text(std::string(500'000, '0')) + "q\0"s;
  for (int i = 0; i < 100'000; ++i) {
    keys +=
        "("s + text("storage") + global("torch", "FloatStorage") + "h\0"s + text("cpu") + "K\4tQ";
  }
  expect_quick(keys + "e", "storage key: expected a short str");
}

}  // namespace
}  // namespace xattn::testing
