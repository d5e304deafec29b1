// What a CLIPTokenizerTrainer learns, beside tokenizers' BpeTrainer and by itself.
#include "xattn/text/train_clip_tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <random>
#include <set>

#include "core/text.h"
#include "io/support/colliding_names.h"
#include "io/support/temporary_folder.h"
#include "io/weights_file.h"
#include "support.h"
#include "support/processor_time.h"
#include "xattn/core/error.h"
#include "xattn/text/clip_tokenizer.h"

namespace xattn::testing {
namespace {

using nlohmann::json;

/// A case of python/golden_models/tokenizer_training.py.
struct TrainingCase {
  std::string name;
  std::filesystem::path folder;
  CLIPTokenizerTrainingOptions options;

  std::vector<std::string> rows(const char* file) const {
    std::vector<std::string> rows;
    std::ifstream stream(folder / file);
    for (std::string line; std::getline(stream, line);)
      rows.push_back(json::parse(line).get<std::string>());
    return rows;
  }
};

void PrintTo(const TrainingCase& training_case, std::ostream* stream) {
  *stream << training_case.name;
}

std::vector<TrainingCase> training_cases() {
  const char* root = std::getenv("XATTN_GOLDEN_MODELS_DIR");
  const auto area = std::filesystem::path(root ? root : "") / "tokenizer_training";
  std::ifstream manifest(area / "manifest.json");
  if (!manifest) {
    if (std::getenv("CI")) throw std::runtime_error("CI without golden data (tokenizer_training)");
    return {TrainingCase{}};
  }
  std::vector<TrainingCase> cases;
  const auto document = json::parse(manifest);
  for (const auto& facts : document.at("cases")) {
    cases.push_back({facts.at("name"),
                     area / facts.at("name").get<std::string>(),
                     {facts.at("vocab_size"), facts.at("min_frequency")}});
  }
  return cases;
}

CLIPVocabulary learned_from(const std::vector<std::string>& texts,
                            const CLIPTokenizerTrainingOptions& options) {
  CLIPTokenizerTrainer trainer(options);
  for (const auto& text : texts) trainer.add(text);
  return trainer.train();
}

/// The tokens of a vocab.json, in the ids' order.
std::vector<std::string> tokens_of(const std::filesystem::path& path) {
  const auto vocabulary = json::parse(std::ifstream(path));
  std::vector<std::string> tokens(vocabulary.size());
  for (const auto& [token, id] : vocabulary.items()) tokens.at(id.get<std::size_t>()) = token;
  return tokens;
}

std::vector<std::int32_t> ids_in(const std::filesystem::path& path, const std::string& name) {
  const auto file = io::WeightsFile::open("test", path.string());
  for (const auto& record : file->contents().tensors) {
    if (record.name != name) continue;
    std::vector<std::int32_t> ids(file->storage_size(record.storage) / sizeof(std::int32_t));
    file->read_storage(record.storage, ids.data());
    return ids;
  }
  throw std::out_of_range(name);
}

class CLIPTokenizerTraining : public ::testing::TestWithParam<TrainingCase> {};

TEST_P(CLIPTokenizerTraining, LearnsWhatPythonLearns) {
  XATTN_REQUIRE_TOKENIZER(GetParam());
  const auto vocabulary = learned_from(GetParam().rows("texts.jsonl"), GetParam().options);
  EXPECT_EQ(vocabulary.tokens, tokens_of(GetParam().folder / "vocab.json"));

  const TemporaryFolder kept;
  const char* given = std::getenv("XATTN_TRAINED_TOKENIZERS");  // for trained_tokenizer_test.py
  const auto folder =
      (given ? std::filesystem::path(given) : kept.path()) / GetParam().name / "tokenizer";
  save_clip_tokenizer(folder.string(), vocabulary);
  EXPECT_EQ(read_bytes((folder / "merges.txt").string()),
            read_bytes((GetParam().folder / "merges.txt").string()));
}

TEST_P(CLIPTokenizerTraining, GivesPythonsIdsForOtherTexts) {
  XATTN_REQUIRE_TOKENIZER(GetParam());
  const TemporaryFolder folder;
  save_clip_tokenizer(folder.path().string(),
                      learned_from(GetParam().rows("texts.jsonl"), GetParam().options));
  const auto tokenizer = CLIPTokenizer::from_pretrained(folder.path().string());
  const auto lengths = ids_in(GetParam().folder / "golden.safetensors", "lengths"),
             ids = ids_in(GetParam().folder / "golden.safetensors", "ids");
  const auto texts = GetParam().rows("more.jsonl");
  ASSERT_EQ(texts.size(), lengths.size());
  ASSERT_GT(texts.size(), 8000u);
  const auto* row = ids.data();
  for (std::size_t i = 0; i < texts.size(); row += lengths[i++]) {
    const auto own = tokenizer.encode(texts[i], {.padding = false, .truncation = false}).ids;
    ASSERT_TRUE(std::equal(own.begin(), own.end(), row, row + lengths[i])) << quote(texts[i]);
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, CLIPTokenizerTraining, ::testing::ValuesIn(training_cases()),
                         [](const auto& info) {
                           return info.param.name.empty() ? "no_golden_data" : info.param.name;
                         });

// The twin: one text more, and other pairs are the most frequent.
TEST(CLIPTokenizerTraining, AnotherTextGivesOtherMerges) {
  const auto cases = training_cases();
  XATTN_REQUIRE_TOKENIZER(cases.front());
  auto texts = cases.front().rows("texts.jsonl");
  for (int i = 0; i < 200; ++i) texts.emplace_back("umbrella umbrella");
  EXPECT_NE(learned_from(texts, cases.front().options).tokens,
            tokens_of(cases.front().folder / "vocab.json"));
}

TEST(CLIPTokenizerTraining, MergesTheMostFrequentPairFirst) {
  // "bc" three times, "ab" and "cd" twice; then "ab" before "bcd</w>" by its ids.
  const auto vocabulary = learned_from({"abx abx", "bcy bcy bcy", "cdz cdz"}, {.min_frequency = 2});
  ASSERT_GE(vocabulary.merges.size(), 3u);
  EXPECT_EQ(vocabulary.merges[0], std::pair(std::string("b"), std::string("c")));
  EXPECT_EQ(vocabulary.merges[1], std::pair(std::string("bc"), std::string("y</w>")));
  EXPECT_EQ(vocabulary.merges[2], std::pair(std::string("a"), std::string("b")));
  EXPECT_EQ(vocabulary.tokens[512], "bc");
  EXPECT_EQ(vocabulary.tokens.size(), 512 + vocabulary.merges.size() + 2);
  EXPECT_EQ(vocabulary.tokens[0], "!");
  EXPECT_EQ(vocabulary.tokens[256], "!</w>");
  EXPECT_EQ(vocabulary.tokens.back(), "<|endoftext|>");
}

TEST(CLIPTokenizerTraining, ThreeOfAKindMergeFromTheLeft) {
  const auto vocabulary = learned_from({"aaaa aaaa aaaaaa", "!!!!! !!!"}, {.min_frequency = 1});
  // Every merge's tokens are known before it.
  const auto& tokens = vocabulary.tokens;
  for (const auto& [left, right] : vocabulary.merges) {
    EXPECT_NE(std::find(tokens.begin(), tokens.end(), left + right), tokens.end());
  }
  const std::set<std::string> different(tokens.begin(), tokens.end());
  EXPECT_EQ(different.size(), tokens.size());
  const std::set<std::pair<std::string, std::string>> merges(vocabulary.merges.begin(),
                                                             vocabulary.merges.end());
  EXPECT_EQ(merges.size(), vocabulary.merges.size());
}

TEST(CLIPTokenizerTraining, TheOrderOfTheTextsDoesNotMatter) {
  const auto cases = training_cases();
  XATTN_REQUIRE_TOKENIZER(cases.front());
  auto texts = cases.front().rows("texts.jsonl");
  const auto expected = learned_from(texts, cases.front().options);
  std::shuffle(texts.begin(), texts.end(), std::mt19937(1));
  const auto got = learned_from(texts, cases.front().options);
  EXPECT_EQ(got.tokens, expected.tokens);
  EXPECT_EQ(got.merges, expected.merges);
}

TEST(CLIPTokenizerTraining, TextsComeBackFromTheirIds) {
  const TemporaryFolder folder;
  const std::vector<std::string> texts = {"a blue sky over the sea", "파란 하늘이 있는 바다",
                                          "two red balloons , it ' s 12 : 30",
                                          "É l 'été ☃ 👩‍🚀"};
  save_clip_tokenizer(folder / "a/tokenizer", learned_from(texts, {.min_frequency = 1}), 32);
  const auto tokenizer = CLIPTokenizer::from_pretrained(folder / "a/tokenizer");
  EXPECT_EQ(tokenizer.model_max_length(), 32);
  for (const auto* text :
       {"a blue sky over the sea", "파란 하늘이 있는 바다", "a sky never seen 밤"}) {
    const auto tokens = tokenizer.encode(text, {.padding = false});
    EXPECT_EQ(tokenizer.decode(tokens.ids, true), text);
  }
  // A word that was learned is one token.
  EXPECT_EQ(tokenizer.tokenize("하늘이").size(), 1u);
  EXPECT_EQ(tokenizer.bos_token_id() + 1, tokenizer.eos_token_id());
  EXPECT_EQ(tokenizer.eos_token_id() + 1, tokenizer.size());
  EXPECT_EQ(tokenizer.pad_token_id(), tokenizer.eos_token_id());
}

TEST(CLIPTokenizerTraining, CountsWords) {
  CLIPTokenizerTrainer trainer({.vocab_size = 600});
  trainer.add("");
  trainer.add("The the THE cat's");
  EXPECT_EQ(trainer.words(), 5);
  EXPECT_EQ(trainer.different_words(), 3);
}

TEST(CLIPTokenizerTraining, AHundredThousandTextsTakeSeconds) {
  std::mt19937 random(3);
  CLIPTokenizerTrainer trainer({.vocab_size = 20000});
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 100'000; ++i) {
    std::string text;
    for (int word = 0; word < 10; ++word) {
      // A few words are frequent, most are rare, as in a language.
      const auto rank = static_cast<unsigned>(20'000 / (1 + random() % 20'000));
      text += cat("w", std::string(1, static_cast<char>('a' + rank % 26)), rank * 7919 % 100'003,
                  word % 3 == 0 ? "하늘 " : "ing ");
    }
    trainer.add(text);
  }
  trainer.train();
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  EXPECT_LT(taken.count(), 60);  // 4 s; machines are slow, and sanitizers are slower
}

TEST(CLIPTokenizerTraining, WordsOfOneHashAreCountedInTime) {
  std::string text;
  for (const auto& word : colliding_names(100'000)) text += word + ' ';
  CLIPTokenizerTrainer trainer;
  const ProcessorTime time;
  trainer.add(text);
  EXPECT_EQ(trainer.different_words(), 100'000);
  EXPECT_LT(time.seconds(), 6);
}

void expect_training_refused(const std::function<void()>& call, const std::string& message) {
  try {
    call();
    ADD_FAILURE() << "no error; expected: " << message;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << error.what();
  }
}

TEST(CLIPTokenizerTraining, RefusesWhatItCannotUse) {
  const auto with = [](const CLIPTokenizerTrainingOptions& options) {
    return [options] { CLIPTokenizerTrainer{options}; };
  };
  expect_training_refused(with({.vocab_size = 513}),
                          "[CLIPTokenizerTrainer] vocab_size: expected 514 to 500000, got 513");
  expect_training_refused(with({.vocab_size = 500001}), "got 500001");
  expect_training_refused(with({.min_frequency = 0}), "min_frequency: expected 1 or more, got 0");
  CLIPTokenizerTrainer trainer;
  expect_training_refused([&] { trainer.train(); },
                          "[CLIPTokenizerTrainer] texts: expected a word, got none");
  expect_training_refused([&] { trainer.add("a\xff"); },
                          "text: expected UTF-8, got an invalid byte at offset 1");
  trainer.add("  \n");
  expect_training_refused([&] { trainer.train(); }, "expected a word");
}

TEST(CLIPTokenizerTraining, RefusesFoldersThatWouldSayOtherwise) {
  const TemporaryFolder folder;
  const auto vocabulary = learned_from({"a"}, {});
  const auto save = [&](int64_t length) {
    return [&, length] { save_clip_tokenizer(folder.path().string(), vocabulary, length); };
  };
  expect_training_refused(save(1),
                          "[save_clip_tokenizer] model_max_length: expected 2 to 1000000, got 1");
  expect_training_refused(save(1'000'001), "got 1000001");
  write_bytes(folder / "file", "");
  expect_training_refused([&] { save_clip_tokenizer(folder / "file", vocabulary); },
                          "/file: cannot be made: ");
  for (const auto* name : {"tokenizer.json", "added_tokens.json"}) {
    write_bytes(folder / name, "{}");
    expect_training_refused(save(77), cat(name, ": expected a folder without this file"));
    std::filesystem::remove(folder / name);
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "vocab.json"));
}

}  // namespace
}  // namespace xattn::testing
