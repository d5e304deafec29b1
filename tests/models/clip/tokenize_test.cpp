// Many texts in one tensor, beside transformers' ids.

#include "xattn/models/clip/tokenize.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "io/support/temporary_folder.h"
#include "support/errors.h"
#include "text/support.h"

namespace xattn::testing {
namespace {

/// A tokenizer of all bytes and a few merges.
CLIPTokenizer small_tokenizer() {
  const TemporaryFolder folder;
  write_bytes(folder / "vocab.json", small_vocabulary().dump());
  write_bytes(folder / "merges.txt", "#version: 0.2\n");
  return CLIPTokenizer::from_pretrained(folder.path().string());
}

class TokenizeParity : public ::testing::TestWithParam<TokenizerCase> {};

TEST_P(TokenizeParity, HasPythonsRows) {
  XATTN_REQUIRE_TOKENIZER(GetParam());
  const auto tokenizer = CLIPTokenizer::from_pretrained(GetParam().folder.string());
  auto texts = GetParam().texts();
  const auto padded = golden_ids(GetParam(), "padded");
  texts.resize(std::min<size_t>(texts.size(), 500));
  const auto tokenized = tokenize(tokenizer, texts);
  const auto count = static_cast<int64_t>(texts.size());
  ASSERT_EQ(tokenized.input_ids.sizes(), (std::vector<int64_t>{count, 77}));
  const auto expected =
      at::tensor(std::vector<int64_t>(padded.begin(), padded.begin() + 77 * count));
  EXPECT_TRUE(at::equal(tokenized.input_ids, expected.view({count, 77})));
}

INSTANTIATE_TEST_SUITE_P(Golden, TokenizeParity, ::testing::ValuesIn(tokenizer_cases()),
                         [](const ::testing::TestParamInfo<TokenizerCase>& info) {
                           return info.param.name.empty() ? "no_golden_data" : info.param.name;
                         });

TEST(Tokenize, GivesARowForEachText) {
  const auto tokenizer = small_tokenizer();
  const std::vector<std::string> texts = {"a cat", "", "a b c d e f g h"};
  const auto tokenized = tokenize(tokenizer, texts, {.max_length = 8});
  ASSERT_EQ(tokenized.input_ids.sizes(), (std::vector<int64_t>{3, 8}));
  ASSERT_EQ(tokenized.attention_mask.sizes(), (std::vector<int64_t>{3, 8}));
  EXPECT_EQ(tokenized.input_ids.scalar_type(), at::kLong);
  EXPECT_EQ(tokenized.attention_mask.scalar_type(), at::kLong);
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto row = static_cast<int64_t>(i);
    const auto alone = tokenizer.encode(texts[i], {.max_length = 8});
    EXPECT_TRUE(at::equal(tokenized.input_ids[row], at::tensor(alone.ids)));
    EXPECT_TRUE(at::equal(tokenized.attention_mask[row], at::tensor(alone.attention_mask)));
    EXPECT_EQ(tokenized.cut[i], alone.cut);
  }
  EXPECT_EQ(tokenized.cut[0], "");
  EXPECT_EQ(tokenized.cut[2], "g h");
}

TEST(Tokenize, WithoutPaddingTextsHaveOneLength) {
  const auto tokenizer = small_tokenizer();
  const std::vector<std::string> same = {"a b", "c d"}, different = {"a b", "a b c"};
  EXPECT_EQ(tokenize(tokenizer, same, {.padding = false}).input_ids.sizes(),
            (std::vector<int64_t>{2, 4}));
  expect_value_error([&] { tokenize(tokenizer, different, {.padding = false}); },
                     "[tokenize] texts[1]: expected 4 tokens, as texts[0], got 5");
}

TEST(Tokenize, TakesNoTexts) {
  const auto tokenizer = small_tokenizer();
  const auto tokenized = tokenize(tokenizer, {});
  EXPECT_EQ(tokenized.input_ids.sizes(), (std::vector<int64_t>{0, 77}));
  EXPECT_EQ(tokenized.attention_mask.sizes(), (std::vector<int64_t>{0, 77}));
  EXPECT_TRUE(tokenized.cut.empty());
}

}  // namespace
}  // namespace xattn::testing
