// The one reader of JSON: what it takes, what it refuses, and what hostile texts may cost.
#include "io/json.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <limits>

#include "io/support/reading.h"
#include "io/support/temporary_folder.h"

namespace xattn::testing {
namespace {

using io::JsonLimits;
using io::parse_json;
using nlohmann::json;
using namespace std::string_literals;

void expect_problem(std::string_view text, std::string_view problem,
                    const JsonLimits& limits = {}) {
  const auto parsed = parse_json(text, limits);
  EXPECT_NE(parsed.problem.find(problem), std::string::npos) << parsed.problem;
  EXPECT_TRUE(parsed.value.is_null());
  EXPECT_LT(parsed.problem.size(), 300u);
}

std::string nested(std::size_t levels, char open = '[', char close = ']') {
  return std::string(levels, open) + std::string(levels, close);
}

std::string repeated(std::string_view part, std::size_t size) {
  std::string text;
  while (text.size() + part.size() < size) text += part;
  return text;
}

TEST(Json, TakesPythonsConstantsAsTextsWhereItIsTold) {
  const auto text = R"({"NaN": [NaN, Infinity, -Infinity], "a\"NaN": "Infinity\\", "b": 1})";
  expect_problem(text, "an error at byte");
  const auto parsed = parse_json(text, {.constants = true});
  EXPECT_EQ(parsed.problem, "");
  EXPECT_EQ(parsed.value, json::parse(R"({"NaN": ["NaN", "Infinity", "-Infinity"],
                                          "a\"NaN": "Infinity\\", "b": 1})"));
  expect_problem(R"({"a": Infinite})", "an error at byte", {.constants = true});
  expect_problem(R"({"a": "NaN)", "an error at byte", {.constants = true});
}

TEST(Json, TakesWhatPythonTakes) {
  const auto parsed = parse_json(
      R"( {"a": [1, -2, 2.5e3, true, false, null, "\u00e9\ud83d\ude00\u0000"], "b": {}, "a": 3} )");
  EXPECT_EQ(parsed.problem, "");
  EXPECT_EQ(parsed.value, (json{{"a", 3}, {"b", json::object()}})) << "of equal keys the last";
  const auto list =
      parse_json(R"([1, -2, 2.5e3, true, "\u00e9\ud83d\ude00\u0000", [[]], {"x": {}}])");
  EXPECT_EQ(
      list.value,
      (json{1, -2, 2500.0, true, "é😀\0"s, json::array({json::array()}), {{"x", json::object()}}}));
  EXPECT_EQ(parse_json("18446744073709551615").value, std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(parse_json("99999999999999999999").value, 1e20);
  EXPECT_EQ(parse_json(nested(64)).problem, "");
}

TEST(Json, RefusesWhatPythonRefuses) {
  for (const auto* text : {"", " ", "{", "[1,]", "{\"a\"}", "{\"a\":}", "{'a':1}", "01", "1 2",
                           "{}x", "tru", "\"a", "\"\\x\"", "\"\n\"", "[1}", "]", "\"\xff\""}) {
    expect_problem(text, "expected a JSON object, got an error at byte ");
  }
  expect_problem("{}\0junk"s, "got a zero byte at byte 2");
  expect_problem("\xef\xbb\xbf{}", "byte order mark");
}

TEST(Json, RefusesNumbersThatNoDoubleHolds) {
  expect_problem(R"({"a":1e400})", "numbers that a double holds, got '1e400'");
  expect_problem("[-1e400]", "numbers that a double holds");
  EXPECT_EQ(parse_json("1e-400").value, 0.0) << "as in Python";
}

TEST(Json, BoundsWhatATextCosts) {
  expect_problem(nested(65), "at most 64 levels, got more at byte 64");
  expect_problem(std::string(200'000, '['), "at most 64 levels");
  expect_problem(repeated("{\"a\":", 200'000), "at most 64 levels");
  expect_problem("[" + nested(2) + "]", "at most 2 levels", {.levels = 2});
  expect_problem("[1, 2]", "at most 5 bytes, got 6", {.text_bytes = 5});
  expect_problem("\"" + std::string(5u << 20, 'a') + "\"", "texts of at most 4194304 bytes");
  expect_problem("[" + std::string(2u << 20, ' ') + "]", "white space in a row");
  expect_problem(std::string(65, '1'), "a word of more than 64 bytes");
}

TEST(Json, BoundsTheMemoryOfItsValues) {
  constexpr std::size_t kText = 15u << 20;
  std::string keys = "{";
  for (int i = 0; keys.size() < kText; ++i) keys += "\"" + std::to_string(i) + "\":0,";
  for (const auto& text :
       {"[" + repeated("[],", kText) + "[]]", "[" + repeated("{},", kText) + "0]",
        "[" + repeated("0,", kText) + "0]", "[" + repeated("\"\",", kText) + "0]",
        "[" + repeated("{\"\":[]},", kText) + "0]",
        "[" + repeated("\"a text of forty bytes on the heap as well.\",", kText) + "0]",
        keys + "\"x\":0}"}) {
    const auto before = Memory::live();
    Memory::reset_peak();
    expect_problem(text, "values that take at most 40 MiB");
    EXPECT_LE(Memory::peak() - before, 42u << 20) << text.substr(0, 20);
    EXPECT_GE(Memory::peak() - before, 8u << 20) << "the count is far off: " << text.substr(0, 20);
  }
}

TEST(Json, NeedsLittleStack) {
  pthread_attr_t attributes;
  ASSERT_EQ(pthread_attr_init(&attributes), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, 256u << 10), 0);
  pthread_t thread;
  const auto work = [](void*) -> void* {
    const auto deep = parse_json(nested(64));
    static_cast<void>(io::shown(deep.value));
    const auto copy = deep;
    static_cast<void>(parse_json(nested(100'000)));
    static_cast<void>(parse_json(std::string(100'000, '[') + "1"));
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, work, nullptr), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

TEST(Json, NamesTheFile) {
  const TemporaryFolder folder;
  const auto path = folder / "config.json";
  const auto expect = [&](std::string_view text, const std::string& reason) {
    try {
      io::read_json_object(io::File("test", write_bytes(path, text)));
      ADD_FAILURE() << "was read: " << text.substr(0, 20);
    } catch (const FileError& error) {
      EXPECT_EQ(error.what(), "[test] " + path + ": " + reason);
    }
  };
  expect("[1, \"é\"]", "expected a JSON object, got '[1,\"\\u00e9\"]'");
  expect("{", "expected a JSON object, got an error at byte 2");
  expect(std::string((16u << 20) + 1, ' '), "expected at most 16777216 bytes, got 16777217");
  EXPECT_EQ(io::shown(json(std::string(1000, 'a'))).size(), 120 + "…"s.size());
}

}  // namespace
}  // namespace xattn::testing
