#include "xattn/models/clip/tokenize.h"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "core/check.h"

namespace xattn {

TokenizedTexts tokenize(const CLIPTokenizer& tokenizer, std::span<const std::string> texts,
                        const TokenizeOptions& options) {
  constexpr auto kPlace = "tokenize";
  const auto count = static_cast<int64_t>(texts.size());
  // Without texts, a row's length is what padding would give it.
  auto length =
      options.padding ? options.max_length.value_or(tokenizer.model_max_length()) : int64_t{0};
  TokenizedTexts result;
  for (int64_t i = 0; i < count; ++i) {
    auto tokens = tokenizer.encode(texts[static_cast<size_t>(i)], options);
    const auto own_length = static_cast<int64_t>(tokens.ids.size());
    if (i == 0) length = own_length;
    if (own_length != length) {
      throw_value_error(kPlace, "texts[" + std::to_string(i) + "]",
                        std::to_string(length) + " tokens, as texts[0]",
                        std::to_string(own_length));
    }
    if (i == 0) {
      result.input_ids = at::empty({count, length}, at::kLong);
      result.attention_mask = at::empty({count, length}, at::kLong);
    }
    std::copy(tokens.ids.begin(), tokens.ids.end(),
              result.input_ids.mutable_data_ptr<int64_t>() + i * length);
    std::copy(tokens.attention_mask.begin(), tokens.attention_mask.end(),
              result.attention_mask.mutable_data_ptr<int64_t>() + i * length);
    result.cut.push_back(std::move(tokens.cut));
  }
  if (count == 0) {
    result.input_ids = at::empty({0, length}, at::kLong);
    result.attention_mask = at::empty({0, length}, at::kLong);
  }
  return result;
}

}  // namespace xattn
