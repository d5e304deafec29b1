#include "xattn/pipelines/weighted_prompt.h"

#include <ATen/ops/cat.h>
#include <c10/util/Exception.h>

#include <algorithm>

#include "core/check.h"
#include "pipelines/token_rows.h"

namespace xattn {

EncodedText encode_weighted_prompt(const CLIPTokenizer& tokenizer, const EncodeIds& encode,
                                   const std::string& prompt, PromptSyntax syntax) {
  if (syntax == PromptSyntax::kA1111) return encode_a1111_prompt(tokenizer, encode, prompt);
  if (syntax == PromptSyntax::kCompel) return encode_compel_prompt(tokenizer, encode, prompt);
  const auto tokens = tokenizer.encode(prompt);
  if (!tokens.cut.empty()) {
    TORCH_WARN("[encode_weighted_prompt] prompt: more than ", tokens_per_row(tokenizer),
               " tokens; left out: \"", tokens.cut, "\"");
  }
  return encode_rows(encode, ids_of_rows({{tokens.ids, {}}}));
}

std::vector<EncodedText> same_length(const CLIPTokenizer& tokenizer, const EncodeIds& encode,
                                     std::vector<EncodedText> texts, int64_t least_tokens) {
  constexpr auto kSameLength = "same_length";
  const auto row = tokenizer.model_max_length();
  auto longest = least_tokens;
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto name = "texts[" + std::to_string(i) + "].hidden_states";
    check_shape(kSameLength, name, texts[i].hidden_states, {"B", "T", "E"});
    longest = std::max(longest, texts[i].hidden_states.size(1));
  }
  at::Tensor empty;
  for (size_t i = 0; i < texts.size(); ++i) {
    auto& states = texts[i].hidden_states;
    const auto missing = longest - states.size(1);
    if (missing == 0) continue;
    if (missing % row != 0) {
      throw_value_error(kSameLength, "texts",
                        "lengths that differ by multiples of " + std::to_string(row),
                        std::to_string(states.size(1)) + " and " + std::to_string(longest));
    }
    if (!empty.defined()) {
      empty = encode_rows(encode, ids_of_rows({empty_row(tokenizer)})).hidden_states;
    }
    if (states.size(2) != empty.size(2)) {
      throw_value_error(kSameLength, "texts[" + std::to_string(i) + "].hidden_states",
                        "E = " + std::to_string(empty.size(2)) + ", as encode gives it",
                        std::to_string(states.size(2)));
    }
    const auto padding = empty.expand({states.size(0), -1, -1}).repeat({1, missing / row, 1});
    states = at::cat({states, padding.to(states.options())}, 1);
  }
  return texts;
}

}  // namespace xattn
