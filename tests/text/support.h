#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <vector>

namespace xattn::testing {

/// A folder of python/golden_models/tokenizer.py: a tokenizer's files, and what transformers made
/// of texts.
struct TokenizerCase {
  std::string name;
  std::filesystem::path folder;
  nlohmann::json facts;

  std::vector<std::string> texts() const;
  /// decode(ids), decode(ids, skip_special_tokens=True) of each text; empty where they were not
  /// made.
  std::vector<std::vector<std::string>> decoded() const;
};

inline void PrintTo(const TokenizerCase& tokenizer_case, std::ostream* stream) {
  *stream << tokenizer_case.name;
}

/// The cases; one without a name where there is no golden data (an error under CI).
std::vector<TokenizerCase> tokenizer_cases();
/// The case of that name, or one without a name.
TokenizerCase tokenizer_case(const std::string& name);

/// A tensor of int32 of a case's golden.safetensors.
std::vector<std::int32_t> golden_ids(const TokenizerCase& tokenizer_case, const std::string& name);

/// The words of CLIP's kind of vocabulary that tests write: all bytes, a few merges, the two
/// special tokens.
nlohmann::json small_vocabulary();

}  // namespace xattn::testing

#define XATTN_REQUIRE_TOKENIZER(tokenizer_case)                                                  \
  if ((tokenizer_case).name.empty()) {                                                           \
    GTEST_SKIP() << "no golden data: they are made by a Python with transformers and open_clip"; \
  }
