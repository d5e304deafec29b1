#include "pipelines/token_rows.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>

#include <algorithm>

#include "core/check.h"

namespace xattn {
namespace {

constexpr const char* kRowsPlace = "encode_weighted_prompt";
// A long prompt has many chunks, whose attention would all be in memory at once.
constexpr int64_t kRowsAtOnce = 32;

}  // namespace

int64_t tokens_per_row(const CLIPTokenizer& tokenizer) {
  const auto length = tokenizer.model_max_length() - 2;
  check_at_least(kRowsPlace, "tokenizer's model_max_length - 2", length, 1);
  return length;
}

std::vector<int64_t> ids_alone(const CLIPTokenizer& tokenizer, const std::string& text) {
  TokenizeOptions options;
  options.add_special_tokens = options.padding = options.truncation = false;
  return tokenizer.encode(text, options).ids;
}

TokenRow empty_row(const CLIPTokenizer& tokenizer) {
  const auto length = static_cast<size_t>(tokens_per_row(tokenizer) + 2);
  TokenRow row{{tokenizer.bos_token_id(), tokenizer.eos_token_id()},
               std::vector<double>(length, 1)};
  row.ids.resize(length, tokenizer.pad_token_id());
  return row;
}

at::Tensor ids_of_rows(const std::vector<TokenRow>& rows) {
  std::vector<int64_t> all;
  for (const auto& row : rows) all.insert(all.end(), row.ids.begin(), row.ids.end());
  return at::tensor(all, at::kLong).view({static_cast<int64_t>(rows.size()), -1});
}

at::Tensor weights_of_rows(const std::vector<TokenRow>& rows, const at::Tensor& states) {
  std::vector<double> all;
  for (const auto& row : rows) all.insert(all.end(), row.weights.begin(), row.weights.end());
  const auto weights = at::tensor(all, at::kDouble);
  return weights.to(states.options()).view({static_cast<int64_t>(rows.size()), -1, 1});
}

EncodedText encode_rows(const EncodeIds& encode, const at::Tensor& input_ids,
                        const at::Tensor& attention_mask) {
  if (!encode) throw_value_error(kRowsPlace, "encode", "a function", "none");
  std::vector<at::Tensor> states, pooled;
  for (int64_t start = 0; start < input_ids.size(0); start += kRowsAtOnce) {
    const auto count = std::min(kRowsAtOnce, input_ids.size(0) - start);
    const auto encoded =
        encode(input_ids.narrow(0, start, count),
               attention_mask.defined() ? attention_mask.narrow(0, start, count) : at::Tensor());
    check_shape(kRowsPlace, "encode's hidden_states", encoded.hidden_states,
                {count, input_ids.size(1), "E"});
    states.push_back(encoded.hidden_states);
    if (!encoded.pooled.defined()) continue;
    check_shape(kRowsPlace, "encode's pooled", encoded.pooled, {count, "P"});
    pooled.push_back(encoded.pooled);
  }
  return {at::cat(states), pooled.empty() ? at::Tensor() : at::cat(pooled)};
}

at::Tensor widened(const at::Tensor& hidden_states) {
  const bool narrow =
      hidden_states.scalar_type() == at::kHalf || hidden_states.scalar_type() == at::kBFloat16;
  return narrow ? hidden_states.to(at::kFloat) : hidden_states;
}

}  // namespace xattn
