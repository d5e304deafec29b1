// Folders of tokenizers: where things may be, and what is refused, in one line that says where and
// what.
#include <gtest/gtest.h>

#include <filesystem>
#include <optional>

#include "io/support/temporary_folder.h"
#include "support.h"
#include "support/processor_time.h"
#include "xattn/core/error.h"
#include "xattn/text/clip_tokenizer.h"

namespace xattn::testing {
namespace {

using nlohmann::json;

class CLIPTokenizerFiles : public ::testing::Test {
 protected:
  CLIPTokenizerFiles() {
    write("vocab.json", small_vocabulary().dump());
    write("merges.txt", "#version: 0.2\na t</w>\nc at</w>\nc a\n");
  }

  void write(const std::string& name, std::string_view bytes) const {
    write_bytes(folder_ / name, bytes);
  }
  void remove(const std::string& name) const { std::filesystem::remove(folder_ / name); }
  CLIPTokenizer load() const { return CLIPTokenizer::from_pretrained(folder_.path().string()); }

  static json tokenizer_json() {
    return {{"model",
             {{"type", "BPE"},
              {"vocab", small_vocabulary()},
              {"merges", {"a t</w>", {"c", "at</w>"}}}}},
            {"added_tokens", json::array()}};
  }

  void expect_refused(const std::string& name, std::string_view reason) const {
    try {
      load();
      ADD_FAILURE() << "was read; expected an error with: " << reason;
    } catch (const FileError& error) {
      const std::string message = error.what();
      const auto path = name.empty() ? folder_.path().string() : folder_ / name;
      EXPECT_TRUE(message.starts_with("[CLIPTokenizer] " + path + ": ")) << message;
      EXPECT_NE(message.find(reason), std::string::npos) << message << "\n  expected: " << reason;
      EXPECT_EQ(message.find('\n'), std::string::npos) << message;
      EXPECT_LT(message.size(), path.size() + 600);
    }
  }

  const TemporaryFolder folder_;
};

TEST_F(CLIPTokenizerFiles, AreEitherOfTwoKinds) {
  const auto expected = load().encode("a cat").ids;
  remove("vocab.json");
  remove("merges.txt");
  expect_refused("", "expected tokenizer.json, or vocab.json and merges.txt, got none of them");
  write("tokenizer.json", tokenizer_json().dump());
  EXPECT_EQ(load().encode("a cat").ids, expected);
  write("vocab.json", "tokenizer.json comes first");
  EXPECT_EQ(load().encode("a cat").ids, expected);
}

TEST_F(CLIPTokenizerFiles, SayWhichIsMissing) {
  remove("merges.txt");
  expect_refused("", "got no merges.txt");
  write("merges.txt", "");
  remove("vocab.json");
  expect_refused("", "got no vocab.json");
  EXPECT_THROW(CLIPTokenizer::from_pretrained(folder_ / "nothing"), FileError);
  EXPECT_THROW(CLIPTokenizer::from_pretrained(folder_ / "merges.txt"), FileError);
}

TEST_F(CLIPTokenizerFiles, RefusesBrokenVocabularies) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "expected a JSON object, got an error at byte"},
      {"{\"a\": 1", "expected a JSON object, got an error at byte"},
      {"{\"a\": 1}\xff", "expected a JSON object, got an error at byte"},
      {"{\"\xff\": 1}", "expected a JSON object, got an error at byte"},
      {std::string("{\"a\": 1}\0", 9), "zero byte"},
      {"[]", "expected a JSON object, got '[]'"},
      {"{}", "expected tokens, got none"},
      {R"({"a": 1, "b": 1})", "expected an id for one token, got 1 for"},
      {R"({"a": -1})", "id of 'a': expected a whole number from 0 to 2147483646, got '-1'"},
      {R"({"a": 1.0})", "id of 'a': expected a whole number"},
      {R"({"a": "1"})", "id of 'a': expected a whole number"},
      {R"({"a": 2147483647})", "id of 'a': expected a whole number"},
      {R"({"a": 1e99})", "id of 'a': expected a whole number"},
      {R"({"a": 99999999999999999999999})", "id of 'a': expected a whole number"},
      {std::string(100, '['), "expected at most 8 levels"},
      {"{\"a\": " + std::string(100, '1') + "}", "a word of more than 64 bytes"},
  };
  for (const auto& [bytes, reason] : cases) {
    write("vocab.json", bytes);
    expect_refused("vocab.json", reason);
  }
  write("vocab.json", R"({"a": 0, "a</w>": 1})");
  write("merges.txt", "");
  expect_refused("merges.txt",
                 "vocabulary: expected 'Ā' and 'Ā</w>', or the unk token, got neither");
}

TEST_F(CLIPTokenizerFiles, RefusesBrokenMerges) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"#version: 0.2\nc a\nx y z\n",
       "line 3: expected two tokens with a space between, got 'x y z'"},
      {"c a\n\n", "line 2: expected two tokens"},
      {"ca", "line 1: expected two tokens"},
      {"c a\nqqq a\n", "merge 1: expected tokens of the vocabulary, got 'qqq'"},
      {"c t\n", "merge 0: expected tokens of the vocabulary, got 'ct'"},
      {"c \n", "merge 0: expected tokens of the vocabulary, got ''"},
  };
  for (const auto& [bytes, reason] : cases) {
    write("merges.txt", bytes);
    expect_refused("merges.txt", reason);
  }
  write("merges.txt", "#version: 0.2\r\nc a\r\n");
  EXPECT_EQ(load().tokenize("cab"), (std::vector<std::string>{"ca", "b</w>"}));
}

TEST_F(CLIPTokenizerFiles, RefusesBrokenTokenizerFiles) {
  const auto with = [](const char* pointer, const json& value) {
    auto file = tokenizer_json();
    file[json::json_pointer(pointer)] = value;
    return file.dump();
  };
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{}", "model: expected a JSON object, got 'null'"},
      {with("/model", 1), "model: expected a JSON object, got '1'"},
      {with("/model/type", "WordPiece"), "model.type: expected BPE, got '\"WordPiece\"'"},
      {with("/model/type", 3), "type: expected a text, got '3'"},
      {with("/model/end_of_word_suffix", "@@"), "model.end_of_word_suffix: expected </w>"},
      {with("/model/vocab", nullptr), "vocabulary: expected a JSON object, got 'null'"},
      {with("/model/merges", "c a"), "merges: expected a list"},
      {with("/model/merges/0", 3), "merge 0: expected two tokens, got '3'"},
      {with("/model/merges/1", {"a", "b", "c"}), "merge 1: expected two tokens"},
      {with("/model/merges/0", "no"), "merge 0: expected two tokens with a space"},
      {with("/added_tokens", 1), "added_tokens: expected a list"},
      {with("/added_tokens/0", 1), "added_tokens[0]: expected an object with an id"},
      {with("/added_tokens/0", {{"id", 1}}),
       "added_tokens[0]: expected a text, or an object with one as content"},
      {with("/added_tokens/0", {{"id", -1}, {"content", "x"}}),
       "added_tokens[0].id: expected a whole number"},
      {with("/added_tokens/0", {{"id", 9999}, {"content", "new"}}),
       "id of 'new': expected 517, as in the vocabulary"},
      {with("/added_tokens/0", {{"id", 517}, {"content", "new"}, {"single_word", true}}),
       "added_tokens[0].single_word: expected false"},
      {with("/added_tokens/0", {{"id", 517}, {"content", "new"}, {"lstrip", 1}}),
       "lstrip: expected true or false"},
  };
  for (const auto& [bytes, reason] : cases) {
    write("tokenizer.json", bytes);
    expect_refused("tokenizer.json", reason);
  }
}

TEST_F(CLIPTokenizerFiles, RefusesBrokenConfigs) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"null", "expected a JSON object"},
      {R"({"tokenizer_class": "T5Tokenizer"})",
       "tokenizer_class: expected CLIPTokenizer, got '\"T5Tokenizer\"'"},
      {R"({"model_max_length": 1})",
       "model_max_length: expected a whole number from 2 to 1000000, got '1'"},
      {R"({"model_max_length": 2000000})", "model_max_length: expected a whole number from 2"},
      {R"({"model_max_length": "77"})", "model_max_length: expected a whole number"},
      {R"({"model_max_length": -77})", "model_max_length: expected a whole number"},
      {R"({"padding_side": "top"})", "padding_side: expected left or right, got '\"top\"'"},
      {R"({"split_special_tokens": true})", "split_special_tokens: expected false"},
      {R"({"bos_token": 7})",
       "bos_token: expected a text, or an object with one as content, got '7'"},
      {R"({"eos_token": null})", "eos_token: expected a text"},
      {R"({"added_tokens_decoder": []})", "added_tokens_decoder: expected a JSON object"},
      {R"({"added_tokens_decoder": {"x": {"content": "a"}}})",
       "added_tokens_decoder.'x': expected an id"},
      {R"({"added_tokens_decoder": {"4294967295": {"content": "a"}}})", "expected a whole number"},
      {R"({"added_tokens_decoder": {"5": "a"}})",
       "added_tokens_decoder.'5': expected a JSON object"},
      {R"({"added_tokens_decoder": {"600": {"content": "new"}}})", "id of 'new': expected 517"},
      {R"({"extra_special_tokens": 3})", "extra_special_tokens: expected a list"},
  };
  for (const auto& [bytes, reason] : cases) {
    write("tokenizer_config.json", bytes);
    expect_refused("tokenizer_config.json", reason);
  }
}

TEST_F(CLIPTokenizerFiles, RefusesWhatPythonsJsonRefuses) {
  for (const auto* name : {"vocab.json", "tokenizer_config.json", "special_tokens_map.json",
                           "added_tokens.json", "tokenizer.json"}) {
    write(name, "\xef\xbb\xbf{}");
    expect_refused(name, "byte order mark");
    write(name, std::string_view("{}\0junk", 7));
    expect_refused(name, "zero byte");
    write(name, R"({"a": 1e400})");
    expect_refused(name, "expected numbers that a double holds, got '1e400'");
    remove(name);
    if (name == std::string_view("vocab.json")) write(name, small_vocabulary().dump());
  }
  write("merges.txt", "#version: 0.2\na\xff b\n");
  expect_refused("merges.txt", "line 2: expected UTF-8, got 'a\\xff b'");
}

TEST_F(CLIPTokenizerFiles, RefusesTokensThatAreEmpty) {
  for (const std::string name : {"bos_token", "eos_token", "pad_token"}) {
    for (const json& token : {json(""), json{{"content", ""}}}) {
      write("tokenizer_config.json", json{{name, token}}.dump());
      expect_refused("tokenizer_config.json", name + ": expected a token, got '");
    }
  }
  remove("tokenizer_config.json");
  write("special_tokens_map.json", R"({"bos_token": ""})");
  expect_refused("special_tokens_map.json", "bos_token: expected a token");
}

TEST_F(CLIPTokenizerFiles, RefusesFilesThatCannotBeExamined) {
  std::filesystem::create_symlink("tokenizer.json", folder_ / "tokenizer.json");
  expect_refused("tokenizer.json", "cannot be examined: ");
  remove("tokenizer.json");
  const auto folder = folder_ / std::string(300, 'a');
  try {
    CLIPTokenizer::from_pretrained(folder);
    ADD_FAILURE() << "was read";
  } catch (const FileError& error) {
    EXPECT_EQ(error.what(),
              "[CLIPTokenizer] " + folder + ": cannot be examined: File name too long");
  }
}

TEST_F(CLIPTokenizerFiles, RefusesATokenWithoutAFreeId) {
  auto vocabulary = small_vocabulary();
  vocabulary["<|endoftext|>"] = 2147483646;
  write("vocab.json", vocabulary.dump());
  EXPECT_EQ(load().eos_token_id(), 2147483646);
  write("tokenizer_config.json", R"({"extra_special_tokens": ["<new>"]})");
  expect_refused("tokenizer_config.json", "token '<new>': expected a free id for it, got none");
}

// transformers 5.23: the map's `additional_special_tokens` are not yet known to be special when
// added_tokens.json is read, and count nowhere once another file has extra ones.
TEST_F(CLIPTokenizerFiles, KnowsWhichAddedTokensAreSpecial) {
  const auto first = static_cast<std::int64_t>(small_vocabulary().size());
  const auto added = json{{"<x>", first}, {"<y>", first + 1}}.dump();
  const auto left_by_decode = [&](const json& config, const json& map) {
    write("added_tokens.json", added);
    write("tokenizer_config.json", config.dump());
    write("special_tokens_map.json", map.dump());
    const auto ids = std::vector{first, first + 1};
    return load().decode(ids, /*skip_special_tokens=*/true);
  };
  const auto none = json::object();
  const auto list = [](const char* token) { return json::array({token}); };
  EXPECT_EQ(left_by_decode(none, {{"additional_special_tokens", list("<x>")}}), "<x><y>");
  EXPECT_EQ(left_by_decode(none, {{"extra_special_tokens", list("<x>")}}), "<y>");
  EXPECT_EQ(left_by_decode({{"additional_special_tokens", list("<x>")}}, none), "<y>");
  EXPECT_EQ(left_by_decode({{"extra_special_tokens", list("<x>")}}, none), "<y>");
  EXPECT_EQ(left_by_decode({{"additional_special_tokens", list("<y>")}},
                           {{"additional_special_tokens", list("<x>")}}),
            "<x>");
  EXPECT_EQ(left_by_decode(none, {{"extra_special_tokens", list("<x>")},
                                  {"additional_special_tokens", list("<y>")}}),
            "<y>");
  EXPECT_EQ(left_by_decode(none, {{"foo_token", "<x>"}}), "<y>");
  EXPECT_EQ(left_by_decode(none, {{"pad_token", "<x>"}}), "<y>");

  remove("added_tokens.json");
  write("special_tokens_map.json", json{{"additional_special_tokens", list("<x>")}}.dump());
  write("tokenizer_config.json", "{}");
  EXPECT_EQ(load().token_to_id("<x>"), first);
  write("tokenizer_config.json", json{{"additional_special_tokens", list("<y>")}}.dump());
  EXPECT_EQ(load().token_to_id("<x>"), std::nullopt) << "the config's are the extra ones";
  EXPECT_EQ(load().token_to_id("<y>"), first);
}

// Each of these took time with the square of its size.
TEST_F(CLIPTokenizerFiles, TakesTimeInProportion) {
  constexpr int kMany = 40'000;
  const auto first = static_cast<int>(small_vocabulary().size());
  json added = json::object(), extra = json::array();
  for (int i = 0; i < kMany; ++i) {
    added["<" + std::to_string(i) + ">"] = first + i;
    extra.push_back("<extra " + std::to_string(i) + ">");
  }
  write("added_tokens.json", added.dump());
  write("tokenizer_config.json", json{{"extra_special_tokens", extra}}.dump());
  const ProcessorTime many_added;
  const auto tokenizer = load();
  EXPECT_EQ(tokenizer.size(), first + 2 * kMany);
  const std::string text(1 << 20, '<');
  EXPECT_EQ(tokenizer.encode("a <7> <39999> <extra 3>b <7").overflowing_tokens.size(), 0u);
  tokenizer.encode(text);
  EXPECT_LT(many_added.seconds(), 10);  // it was 17 s, without a sanitizer

  // All in one bucket of a table of hashes that takes whole numbers as they are.
  remove("added_tokens.json");
  remove("tokenizer_config.json");
  auto vocabulary = small_vocabulary();
  for (int i = 0; i < 43'000; ++i) vocabulary["a" + std::to_string(i)] = 1000 + i;
  for (int i = 1; i < 25'000; ++i) vocabulary["b" + std::to_string(i)] = 85'229 * i;
  write("vocab.json", vocabulary.dump());
  const ProcessorTime colliding;
  EXPECT_GT(load().size(), 68'000);
  EXPECT_LT(colliding.seconds(), 5);
}

TEST_F(CLIPTokenizerFiles, TakesMemoryInProportion) {
  std::string merges;
  while (merges.size() < (15u << 20)) merges += "a b\n";
  write("merges.txt", merges);
  expect_refused("merges.txt", "expected at most 524288 merges, got more");
  write("merges.txt", "");
  std::string lists = "{\"a\": [";
  while (lists.size() < (15u << 20)) lists += "[],";
  write("tokenizer_config.json", lists + "0]}");
  expect_refused("tokenizer_config.json", "expected values that take at most 40 MiB, got more");
}

TEST_F(CLIPTokenizerFiles, RefusesWhatIsTooLarge) {
  std::filesystem::resize_file(folder_ / "merges.txt", (16u << 20) + 1);
  expect_refused("merges.txt", "expected at most 16777216 bytes, got 16777217");
}

TEST_F(CLIPTokenizerFiles, KnowsTransformersVeryLargeLength) {
  write("tokenizer_config.json", R"({"model_max_length": 1000000000000000019884624838656})");
  EXPECT_EQ(load().model_max_length(), 77);
  write("tokenizer_config.json", R"({"max_len": 12})");
  EXPECT_EQ(load().model_max_length(), 12);
}

TEST_F(CLIPTokenizerFiles, SurvivesEveryCut) {
  write("tokenizer_config.json", "{}");
  const auto whole = tokenizer_json().dump();
  for (std::size_t size = 0; size < whole.size(); size += 37) {
    write("tokenizer.json", whole.substr(0, size));
    EXPECT_THROW(load(), FileError) << size;
  }
}

}  // namespace
}  // namespace xattn::testing
