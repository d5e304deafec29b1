// The ids of transformers' CLIPTokenizer, for every folder and every text of
// python/golden_models/tokenizer.py.
#include <fstream>

#include "core/text.h"
#include "io/support/temporary_folder.h"
#include "support.h"
#include "xattn/text/clip_tokenizer.h"

namespace xattn::testing {
namespace {

class CLIPTokenizerParity : public ::testing::TestWithParam<TokenizerCase> {};

/// How many texts have other ids than Python's; the first few are reported.
int count_differences(const TokenizerCase& golden, const CLIPTokenizer& tokenizer, bool report) {
  const auto lengths = golden_ids(golden, "lengths"), ids = golden_ids(golden, "ids"),
             padded = golden_ids(golden, "padded");
  const auto texts = golden.texts();
  EXPECT_EQ(texts.size(), lengths.size());
  int different = 0;
  const std::int32_t* row = ids.data();
  for (std::size_t i = 0; i < texts.size(); row += lengths[i++]) {
    const auto whole = tokenizer.encode(texts[i], {.padding = false, .truncation = false});
    const auto cut = tokenizer.encode(texts[i], {.max_length = 77});
    const bool same = std::equal(whole.ids.begin(), whole.ids.end(), row, row + lengths[i]) &&
                      std::equal(cut.ids.begin(), cut.ids.end(), padded.data() + 77 * i,
                                 padded.data() + 77 * (i + 1));
    if (!same && ++different <= 5 && report) {
      ADD_FAILURE() << "text " << i << " " << quote(texts[i]) << "\n  expected "
                    << ::testing::PrintToString(
                           std::vector<int64_t>(row, row + std::min(lengths[i], 100)))
                    << "\n  got      " << ::testing::PrintToString(whole.ids);
    }
  }
  return different;
}

TEST_P(CLIPTokenizerParity, HasPythonsIds) {
  XATTN_REQUIRE_TOKENIZER(GetParam());
  const auto tokenizer = CLIPTokenizer::from_pretrained(GetParam().folder.string());
  EXPECT_EQ(count_differences(GetParam(), tokenizer, true), 0);
  const auto special = GetParam().facts.at("special").get<std::vector<int64_t>>();
  EXPECT_EQ(special, (std::vector{tokenizer.bos_token_id(), tokenizer.eos_token_id(),
                                  tokenizer.pad_token_id()}));
  EXPECT_EQ(tokenizer.size(), GetParam().facts.at("size").get<int64_t>());
  EXPECT_EQ(tokenizer.model_max_length(), 77);
}

TEST_P(CLIPTokenizerParity, DecodesAsPython) {
  XATTN_REQUIRE_TOKENIZER(GetParam());
  const auto decoded = GetParam().decoded();
  if (decoded.empty()) return;
  const auto tokenizer = CLIPTokenizer::from_pretrained(GetParam().folder.string());
  const auto lengths = golden_ids(GetParam(), "lengths");
  const auto all = golden_ids(GetParam(), "ids");
  const std::int32_t* row = all.data();
  for (std::size_t i = 0; i < decoded.size(); row += lengths[i++]) {
    const std::vector<int64_t> ids(row, row + lengths[i]);
    ASSERT_EQ(tokenizer.decode(ids), decoded[i][0]) << i;
    ASSERT_EQ(tokenizer.decode(ids, true), decoded[i][1]) << i;
  }
}

std::string case_name(const ::testing::TestParamInfo<TokenizerCase>& info) {
  return info.param.name.empty() ? "no_golden_data" : info.param.name;
}

INSTANTIATE_TEST_SUITE_P(Golden, CLIPTokenizerParity, ::testing::ValuesIn(tokenizer_cases()),
                         case_name);

// The twin: two merges that change places change ids.
TEST(CLIPTokenizerParity, FailsWithOtherMerges) {
  const auto golden = tokenizer_case("vocab_merges");
  XATTN_REQUIRE_TOKENIZER(golden);
  const TemporaryFolder folder;
  std::filesystem::copy(golden.folder, folder.path(), std::filesystem::copy_options::recursive);
  auto merges = read_bytes(folder / "merges.txt");
  const auto at = merges.find("\nt h\n");
  ASSERT_NE(at, std::string::npos);
  merges.erase(at, 4);
  merges += "t h\n";
  write_bytes(folder / "merges.txt", merges);
  EXPECT_GT(
      count_differences(golden, CLIPTokenizer::from_pretrained(folder.path().string()), false),
      100);
}

}  // namespace
}  // namespace xattn::testing
