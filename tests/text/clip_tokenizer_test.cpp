// What the tokenizer does beside giving Python's ids, with a small vocabulary that needs no Python.
#include "xattn/text/clip_tokenizer.h"

#include <gtest/gtest.h>

#include <thread>

#include "io/support/temporary_folder.h"
#include "support.h"
#include "support/processor_time.h"
#include "text/unicode.h"
#include "text/words.h"
#include "xattn/core/error.h"

namespace xattn::testing {
namespace {

class CLIPTokenizerTest : public ::testing::Test {
 protected:
  CLIPTokenizer load(const std::string& config = "{}") const {
    write_bytes(folder_ / "vocab.json", small_vocabulary().dump());
    write_bytes(folder_ / "merges.txt", "#version: 0.2\na t</w>\nc at</w>\nc a\n");
    write_bytes(folder_ / "tokenizer_config.json", config);
    return CLIPTokenizer::from_pretrained(folder_.path().string());
  }

  const TemporaryFolder folder_;
};

std::string error_of(const CLIPTokenizer& tokenizer, std::string_view text) {
  try {
    tokenizer.encode(text);
  } catch (const ValueError& error) {
    return error.what();
  }
  return "no error";
}

TEST_F(CLIPTokenizerTest, MergesTheFirstNamedPairFirst) {
  const auto tokenizer = load();
  EXPECT_EQ(tokenizer.tokenize("Cat"), (std::vector<std::string>{"cat</w>"}));
  EXPECT_EQ(tokenizer.tokenize("cats"), (std::vector<std::string>{"ca", "t", "s</w>"}));
  EXPECT_EQ(tokenizer.tokenize(""), std::vector<std::string>{});
}

TEST_F(CLIPTokenizerTest, FillsUpToTheLength) {
  const auto tokenizer = load(R"({"pad_token": "!"})");
  const auto tokens = tokenizer.encode("cat!");
  ASSERT_EQ(tokens.ids.size(), 77);
  ASSERT_EQ(tokens.attention_mask.size(), 77);
  EXPECT_EQ(tokens.ids[0], tokenizer.bos_token_id());
  EXPECT_EQ(tokens.ids[1], *tokenizer.token_to_id("cat</w>"));
  EXPECT_EQ(tokens.ids[2], tokenizer.pad_token_id()) << "a special token in the text is that token";
  EXPECT_EQ(tokens.ids[3], tokenizer.eos_token_id());
  EXPECT_EQ(tokens.ids[76], tokenizer.pad_token_id());
  EXPECT_EQ(tokens.attention_mask[3], 1);
  EXPECT_EQ(tokens.attention_mask[4], 0);
  EXPECT_TRUE(tokens.cut.empty());
}

TEST_F(CLIPTokenizerTest, CutsWhatDoesNotFitAndSaysWhat) {
  const auto tokenizer = load(R"({"model_max_length": 4})");
  const auto tokens = tokenizer.encode("Cat cat  one, CAT");
  EXPECT_EQ(tokens.ids.size(), 4);
  EXPECT_EQ(tokens.ids.back(), tokenizer.eos_token_id());
  EXPECT_EQ(tokens.cut, "one , cat");
  EXPECT_EQ(tokens.overflowing_tokens.size(), 5);
  EXPECT_TRUE(tokenizer.encode("cat cat").cut.empty());
  EXPECT_EQ(tokenizer.encode("cat cat cat", {.truncation = false}).ids.size(), 5);
  EXPECT_EQ(
      tokenizer.encode("cat cat cat", {.add_special_tokens = false, .max_length = 2}).ids.size(),
      2);
}

TEST_F(CLIPTokenizerTest, PadsAndCutsOnTheLeftWhereToldTo) {
  const auto tokenizer =
      load(R"({"model_max_length": 5, "padding_side": "left", "truncation_side": "left"})");
  EXPECT_EQ(tokenizer.encode("cat").ids[0], tokenizer.pad_token_id());
  EXPECT_EQ(tokenizer.encode("cat").attention_mask, (std::vector<int64_t>{0, 0, 1, 1, 1}));
  EXPECT_EQ(tokenizer.encode("x cat cat cat").cut, "x");
}

TEST_F(CLIPTokenizerTest, RefusesALengthWithoutRoomForTheSpecialTokens) {
  EXPECT_THROW(load().encode("cat", {.max_length = 1}), ValueError);
  EXPECT_THROW(load().encode("cat", {.add_special_tokens = false, .max_length = -1}), ValueError);
  EXPECT_EQ(load().encode("cat", {.max_length = 2}).cut, "cat");
}

TEST_F(CLIPTokenizerTest, SaysWhereATextIsNotUtf8) {
  const auto tokenizer = load();
  for (const auto& [text, offset] : std::vector<std::pair<std::string, std::string>>{
           {"\x80", "0"},                  // a later byte first
           {"abc\xc3", "3"},               // cut short
           {"\xed\x95\x9c\xff", "3"},      // never in UTF-8
           {"a\xc0\xaf", "1"},             // overlong
           {"a\xe0\x9f\xbf", "1"},         // overlong
           {"\xed\xa0\x80", "0"},          // a surrogate
           {"ab\xf4\x90\x80\x80", "2"},    // beyond U+10FFFF
           {"\xf0\x9f\x98 \x80", "0"}}) {  // interrupted
    EXPECT_EQ(error_of(tokenizer, text),
              "[CLIPTokenizer] text: expected UTF-8, got an invalid byte at offset " + offset);
  }
  EXPECT_EQ(error_of(tokenizer, "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf"), "no error");
}

TEST_F(CLIPTokenizerTest, DecodesToText) {
  const auto tokenizer = load();
  const auto ids = tokenizer.encode(" Größe  한국 CAT\n").ids;
  EXPECT_EQ(tokenizer.decode(ids, true), "größe 한국 cat");
  EXPECT_EQ(tokenizer.decode(std::vector<int64_t>{*tokenizer.token_to_id("Ã")}), "\xef\xbf\xbd");
  EXPECT_EQ(tokenizer.decode({}), "");
  EXPECT_THROW(tokenizer.decode(std::vector<int64_t>{-1}), ValueError);
  EXPECT_THROW(tokenizer.decode(std::vector<int64_t>{tokenizer.size()}), ValueError);
}

TEST_F(CLIPTokenizerTest, NamesTheWordsThatAreNoTokens) {
  const auto tokenizer = load();
  const auto unknown = [&](std::string_view text) { return tokenizer.unknown_words(text); };
  using Words = std::vector<std::string>;
  EXPECT_EQ(unknown(""), Words{});
  EXPECT_EQ(unknown("A cat, CAT at 1 + 2"), Words{});
  EXPECT_EQ(unknown("Dogs and cats: dogs"), (Words{"dogs", "and", "cats"}));
  EXPECT_EQ(unknown("한국 cat"), (Words{"한국"}));
  EXPECT_EQ(unknown("12"), Words{}) << "digits are words of their own";
  EXPECT_EQ(unknown("cat's (cat)... \u2026\u2014 \u201ccat\u201d!? \x1b["), Words{})
      << "punctuation";
  EXPECT_EQ(unknown("cat 🐉."), (Words{"🐉."}));
  EXPECT_EQ(unknown("<|startoftext|>cat<|endoftext|>"), Words{})
      << "special tokens are found first";
  EXPECT_THROW(unknown("\xff"), ValueError);
}

TEST_F(CLIPTokenizerTest, GivesManyThreadsTheSame) {
  const auto tokenizer = load();
  const std::string text = "a cat's catalogue, 猫の写真 № 123";
  const auto expected = tokenizer.encode(text).ids;
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (auto& count : wrong) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) count += tokenizer.encode(text).ids != expected;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4));
}

/// Texts of a megabyte that would take an algorithm of quadratic time hours.
TEST_F(CLIPTokenizerTest, TakesTimeInProportion) {
  const auto tokenizer = load();
  std::string letters(1 << 20, 'a'), marks, words, signs(1 << 20, '<'), spaces(1 << 20, ' ');
  for (int i = 0; i < (1 << 18); ++i) marks += i % 2 ? "\xcc\x81" : "\xcc\xa3";  // U+0301, U+0323
  for (int i = 0; i < (1 << 18); ++i) words += "cat ";
  for (const auto& text : {letters, marks, words, signs, spaces}) {
    const ProcessorTime time;
    tokenizer.encode(text);
    EXPECT_LT(time.seconds(), 20) << text.substr(0, 8);
  }
}

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> found;
  text::for_each_word(text, [&](std::string_view word) { found.emplace_back(word); });
  return found;
}

TEST(Words, AreThoseOfTheRegularExpression) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(words("it's they'll 'x ''s"), (Words{"it", "'s", "they", "'ll", "'", "x", "''", "s"}));
  EXPECT_EQ(words("'rest 'rust"), (Words{"'re", "st", "'", "rust"}));
  EXPECT_EQ(words("ab12½!? c"), (Words{"ab", "1", "2", "½", "!?", "c"}));
  EXPECT_EQ(words("<|endoftext|>!"), (Words{"<|", "endoftext", "|>", "!"}));
  EXPECT_EQ(words("!<|endoftext|>!"), (Words{"!<|", "endoftext", "|>!"}));
  EXPECT_EQ(words("한e\xcc\x81"), (Words{"한e", "\xcc\x81"}));
}

TEST(Unicode, NormalisesAsTheOriginal) {
  EXPECT_EQ(text::normalize("A \t\n\xc2\xa0\xe3\x80\x80\xc2\x85 B"), "a b");
  EXPECT_EQ(text::normalize("İ ΣΑΣ K Å ẞ"), "i̇ σασ k å ß");
  EXPECT_EQ(text::normalize("U\xcc\x88"), "ü");
  EXPECT_EQ(text::normalize("a\xcc\x81\xcc\xa3"), "ạ́");
  EXPECT_EQ(text::normalize("\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab"), "한");
  EXPECT_EQ(text::normalize(std::string("\0X", 2)), std::string("\0x", 2));
  EXPECT_EQ(text::normalize("\xe1\xa0\x8e\xe2\x80\x8b\xef\xbb\xbf"),
            "\xe1\xa0\x8e\xe2\x80\x8b\xef\xbb\xbf")
      << "not spaces";
}

}  // namespace
}  // namespace xattn::testing
