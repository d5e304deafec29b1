// Headers of safetensors files, one for each rule.
#include "io/safetensors_header.h"

#include <gtest/gtest.h>

#include "io/support/pickle_writer.h"
#include "io/support/reading.h"
#include "io/support/temporary_folder.h"

namespace xattn::testing {
namespace {

std::string file_of(const std::string& header, std::size_t data_size) {
  return pickles::le(header.size(), 8) + header + std::string(data_size, '\0');
}

std::string tensor(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

class Safetensors : public ::testing::Test {
 protected:
  void expect(const std::string& header, std::size_t data_size, const std::string& reason) {
    SCOPED_TRACE(header.substr(0, 200));
    expect_refused(write_bytes(folder_ / "file", file_of(header, data_size)), reason);
  }
  /// {"a": value} with 8 bytes of data
  void expect_tensor(const std::string& value, const std::string& reason) {
    expect("{\"a\":" + value + "}", 8, reason);
  }
  void read(const std::string& header, std::size_t data_size) {
    SCOPED_TRACE(header.substr(0, 200));
    EXPECT_TRUE(reads(write_bytes(folder_ / "file", file_of(header, data_size))));
  }

  TemporaryFolder folder_;
};

TEST_F(Safetensors, GoodOnes) {
  read("{}", 0);
  read("{}    ", 0);
  read(R"({"a":)" + tensor("F32", "[]", "[0,4]") + "}", 4);
  read(R"({"a":)" + tensor("F32", "[0,7]", "[0,0]") + R"(,"b":)" + tensor("U8", "[3]", "[0,3]") +
           "}",
       3);
  read(R"({"b":)" + tensor("F64", "[1]", "[2,10]") + R"(,"a":)" + tensor("I16", "[1]", "[0,2]") +
           "}",
       10);
  read(R"({"__metadata__":{},"a":)" + tensor("BOOL", "[2]", "[0,2]") + "}", 2);
  read(R"({ "\u00e9" : {"data_offsets":[0,1],"shape":[1],"dtype":"I8"} , "":)" +
           tensor("C64", "[1]", "[1,9]") + "}",
       9);
}

TEST_F(Safetensors, Lengths) {
  const auto raw = [&](std::uint64_t length, const std::string& rest, const std::string& reason) {
    expect_refused(write_bytes(folder_ / "file", pickles::le(length, 8) + rest), reason);
  };
  raw(3, "{}", "its length says 3 bytes, the file has 2");
  raw(100'000'001, "{}", "at most 100000000 bytes");
  raw(~0ull, "{}", "at most 100000000 bytes");
  raw(1ull << 63, "{}", "at most 100000000 bytes");
  raw(99'999'999, "{}", "the file has 2");
  raw(0, "{}", "expected '{' as its first byte");
  raw(1, "{}", "got an error at its byte");
  raw(2, "[]", "no file of weights");
  raw(2, " {}", "no file of weights");
}

TEST_F(Safetensors, JsonThatIsNotTheHeaders) {
  for (const std::string broken : {"{", "{]", "{\"a\"}", "{\"a\":}", "{,}", "{}{}", "{}x", "{} \n}",
                                   "{'a':1}", "{\"\\x\":1}", "{\"a", "{\"\\ud800\":1}"}) {
    expect(broken, 0, "expected a JSON object in UTF-8");
  }
  expect("{\"\xff\":1}", 0, "expected a JSON object in UTF-8");
  expect("{\"\xc0\x80\":1}", 0, "expected a JSON object in UTF-8");
  expect(std::string("{}\0", 3), 0, "expected a JSON object in UTF-8");
  for (const std::string value : {"1", "-1", "1.5", "null", "true", "\"x\"", "[]", "[1]"}) {
    expect_tensor(value, "did not expect");
  }
  expect_tensor("{}", "expected 'dtype', 'shape' and 'data_offsets'");
  expect_tensor(R"({"dtype":"F32","shape":[2]})", "expected 'dtype', 'shape' and 'data_offsets'");
  expect_tensor(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1})",
                "the key 'x' is not known");
  expect_tensor(R"({"dtype":5})", "did not expect a number");
  expect_tensor(R"({"dtype":{}})", "did not expect an object");
  expect_tensor(R"({"shape":"[2]"})", "did not expect a text");
  expect_tensor(R"({"shape":{"0":2}})", "did not expect an object");
  expect_tensor(R"({"shape":[[2]]})", "at most 3 levels");
  expect_tensor(R"({"shape":["2"]})", "did not expect a text");
  expect_tensor(R"({"shape":[null]})", "did not expect null");
  expect_tensor(R"({"dtype":["F32"]})", "did not expect an array");
}

TEST_F(Safetensors, DuplicateKeysAtEveryLevel) {
  const std::string whole = tensor("F32", "[2]", "[0,8]");
  expect(R"({"a":)" + whole + R"(,"a":)" + whole + "}", 8, "'a' is there twice");
  expect(R"({"a":)" + whole + R"(,"\u0061":)" + whole + "}", 8, "'a' is there twice");
  expect_tensor(R"({"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]})",
                "'dtype' is there twice");
  expect_tensor(R"({"dtype":"F32","shape":[2],"shape":[2],"data_offsets":[0,8]})",
                "'shape' is there twice");
  expect_tensor(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8],"data_offsets":[0,8]})",
                "'data_offsets' is there twice");
  expect(R"({"__metadata__":{"k":"1","k":"2"}})", 0, "'k' is there twice");
  expect(R"({"__metadata__":{},"__metadata__":{}})", 0, "'__metadata__' is there twice");
}

TEST_F(Safetensors, MetadataIsTextToText) {
  expect(R"({"__metadata__":{"k":1}})", 0, "did not expect a number");
  expect(R"({"__metadata__":{"k":null}})", 0, "did not expect null");
  expect(R"({"__metadata__":{"k":[]}})", 0, "did not expect an array");
  expect(R"({"__metadata__":{"k":{}}})", 0, "did not expect an object");
  expect(R"({"__metadata__":[]})", 0, "did not expect an array");
  expect(R"({"__metadata__":"k"})", 0, "did not expect a text");
}

TEST_F(Safetensors, DtypesAndShapes) {
  expect_tensor(tensor("F128", "[2]", "[0,8]"), "dtype 'F128' is not one that is read");
  expect_tensor(tensor("f32", "[2]", "[0,8]"), "dtype 'f32'");
  expect_tensor(tensor("", "[2]", "[0,8]"), "dtype ''");
  expect_tensor(tensor("F4", "[16]", "[0,8]"), "dtype 'F4'");
  expect_tensor(tensor("F32", "[-2]", "[0,8]"), "did not expect a negative number");
  expect_tensor(tensor("F32", "[2.0]", "[0,8]"), "a fraction, or a number beyond 64 bits");
  expect_tensor(tensor("F32", "[2e0]", "[0,8]"), "a fraction, or a number beyond 64 bits");
  expect_tensor(tensor("F32", "[18446744073709551616]", "[0,8]"), "beyond 64 bits");
  expect_tensor(tensor("F32", "[18446744073709551615]", "[0,8]"), "overflows");
  expect_tensor(tensor("F32", "[4611686018427387906]", "[0,8]"), "overflows");
  expect_tensor(tensor("U8", "[4294967296,4294967296,8]", "[0,8]"), "overflows");
  expect_tensor(tensor("U8", "[0,4294967296,4294967296]", "[0,0]"), "overflows");
  expect_tensor(tensor("F32", "[3]", "[0,8]"), "expected 12 bytes for float32 [3], got 8");
  expect_tensor(tensor("F32", "[1]", "[0,8]"), "expected 4 bytes for float32 [1], got 8");
  std::string many = "[1";
  for (int i = 0; i < 64; ++i) many += ",1";
  expect_tensor(tensor("F64", many + "]", "[0,8]"), "more than 64 numbers");
}

TEST_F(Safetensors, Offsets) {
  expect_tensor(tensor("F32", "[2]", "[8,0]"), "expected [begin, end]");
  expect_tensor(tensor("F32", "[2]", "[0]"), "expected [begin, end]");
  expect_tensor(tensor("F32", "[2]", "[0,8,16]"), "expected [begin, end]");
  expect_tensor(tensor("F32", "[2]", "[0,18446744073709551615]"), "expected 8 bytes");
  expect_tensor(tensor("F32", "[2]", "[18446744073709551608,18446744073709551615]"),
                "expected 8 bytes");
  const auto two = [](const std::string& first, const std::string& second) {
    return R"({"a":)" + tensor("U8", "[4]", first) + R"(,"b":)" + tensor("U8", "[4]", second) + "}";
  };
  read(two("[0,4]", "[4,8]"), 8);
  read(two("[4,8]", "[0,4]"), 8);
  expect(two("[0,4]", "[3,7]"), 8, "without hole or overlap");
  expect(two("[0,4]", "[0,4]"), 4, "without hole or overlap");
  expect(two("[0,4]", "[5,9]"), 9, "without hole or overlap");
  expect(two("[1,5]", "[5,9]"), 9, "without hole or overlap");
  expect(two("[0,4]", "[4,8]"), 9, "expected 8 bytes of data after it, got 9");
  expect(two("[0,4]", "[4,8]"), 7, "expected 8 bytes of data after it, got 7");
  expect("{}", 1, "expected 0 bytes of data after it, got 1");
  expect(
      R"({"a":)" + tensor("U8", "[0]", "[1,1]") + R"(,"b":)" + tensor("U8", "[2]", "[0,2]") + "}",
      2, "without hole or overlap");
}

TEST_F(Safetensors, Bombs) {
  expect("{\"a\":" + std::string(1'000'000, '['), 0, "at most 3 levels");
  std::string nested;
  for (int i = 0; i < 100'000; ++i) nested += "{\"a\":";
  expect(nested, 0, "at most 3 levels");
  expect("{\"" + std::string(90'000'000, 'a') + "\":1}", 0, "texts of at most 4194304 bytes");
  expect("{\"a\":" + std::string(40'000'000, '1') + "}", 0, "a word of more than 64 bytes");
  expect("{" + std::string(40'000'000, ' ') + "]", 0, "bytes of white space in a row");
  expect("{" + std::string(9'000'000, ' '), 0, "expected a JSON object");
  read("{}" + std::string(1'000'000, ' '), 0);
  std::string metadata = R"({"__metadata__":{)";
  for (int i = 0; i < 9; ++i) {
    metadata += "\"" + std::string(1, static_cast<char>('a' + i)) + "\":\"" +
                std::string(4'000'000, 'x') + "\",";
  }
  expect(metadata + R"("z":""}})", 0, "names, metadata and shapes take more than 32 MiB");
  std::string many = "{";
  for (int i = 0; i < 100'001; ++i) {
    many += (i ? ",\"" : "\"") + std::to_string(i) + "\":" + tensor("U8", "[0]", "[0,0]");
  }
  expect(many + "}", 0, "at most 100000 tensors");
  std::string ones = "[1";
  for (int i = 0; i < 63; ++i) ones += ",1";
  std::string wide = "{";
  for (int i = 0; i < 90'000; ++i) {
    wide += (i ? ",\"" : "\"") + std::to_string(i) + "\":" + tensor("U8", ones + "]", "[0,1]");
  }
  expect(wide + "}", 0, "names, metadata and shapes take more than 32 MiB");
  std::string pairs = R"({"__metadata__":{)";
  for (int i = 0; i < 200'001; ++i) pairs += (i ? ",\"" : "\"") + std::to_string(i) + "\":\"\"";
  expect(pairs + "}}", 0, "more metadata than can be read");
}

TEST_F(Safetensors, WriterKeepsTheRulesOfTheFormat) {
  const io::Subject subject{"test", "out"};
  const auto refused = [&](std::vector<io::SafetensorsEntry> entries, const std::string& reason) {
    try {
      io::make_safetensors_header(subject, entries, {});
      ADD_FAILURE() << "expected " << reason;
    } catch (const FileError& error) {
      EXPECT_NE(std::string(error.what()).find(reason), std::string::npos) << error.what();
    }
  };
  refused({{"a", DType::kComplex128, {1}}}, "no dtype for complex128");
  refused({{"a", DType::kUint8, {1}}, {"a", DType::kUint8, {1}}}, "'a' is there twice");
  refused({{"__metadata__", DType::kUint8, {1}}}, "cannot be named");
  refused({{"a\xff", DType::kUint8, {1}}}, "is not UTF-8");
  refused({{"a", DType::kUint8, {INT64_MAX, 2}}}, "too large");
  refused({{"a", DType::kUint8, {INT64_MAX}}, {"b", DType::kUint8, {INT64_MAX}}}, "too large");

  const auto layout = io::make_safetensors_header(
      subject, {{"small", DType::kUint8, {3}}, {"wide \"☃\"", DType::kFloat64, {2}}},
      {{"key", "line\nbreak"}});
  EXPECT_EQ(layout.header.size() % 8, 0u);
  EXPECT_EQ(layout.order, (std::vector<std::size_t>{1, 0}));  // aligned: wide elements first
  read(layout.header.substr(8), 19);
  io::Contents contents;
  std::vector<io::ByteRange> ranges;
  io::parse_safetensors_header(subject, std::string_view(layout.header).substr(8), 19, contents,
                               ranges);
  ASSERT_EQ(contents.tensors.size(), 2u);
  EXPECT_EQ(contents.tensors[0].name, "small");  // the names keep their order
  EXPECT_EQ(contents.tensors[1].name, "wide \"☃\"");
  EXPECT_EQ(contents.attributes.at(0).second, Attribute("line\nbreak"));
}

}  // namespace
}  // namespace xattn::testing
