#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "xattn/pipelines/weighted_prompt.h"

namespace xattn {

/// A row of a text encoder's tokens: bos, text, eos, padding; and the weight of each.
struct TokenRow {
  std::vector<int64_t> ids;
  std::vector<double> weights;
};

/// How many tokens of a text a row has room for.
///
/// Throws: `ValueError` for a tokenizer whose rows have room for none.
int64_t tokens_per_row(const CLIPTokenizer& tokenizer);

/// The ids of a text alone, all of them.
std::vector<int64_t> ids_alone(const CLIPTokenizer& tokenizer, const std::string& text);

/// A row of bos, eos and padding.
TokenRow empty_row(const CLIPTokenizer& tokenizer);

/// The ids as `[B, T]`, int64.
at::Tensor ids_of_rows(const std::vector<TokenRow>& rows);

/// The weights as `[B, T, 1]`, on the device and in the dtype of `states`.
at::Tensor weights_of_rows(const std::vector<TokenRow>& rows, const at::Tensor& states);

/// Calls the encoder, for a few rows at a time, and checks what it gives.
EncodedText encode_rows(const EncodeIds& encode, const at::Tensor& input_ids,
                        const at::Tensor& attention_mask = {});

/// Hidden states as weights are applied to them: in float32 at least.
at::Tensor widened(const at::Tensor& hidden_states);

/// As `encode_weighted_prompt`.
EncodedText encode_a1111_prompt(const CLIPTokenizer& tokenizer, const EncodeIds& encode,
                                const std::string& prompt);
EncodedText encode_compel_prompt(const CLIPTokenizer& tokenizer, const EncodeIds& encode,
                                 const std::string& prompt);

/// The rows of a prompt in a1111's syntax.
std::vector<TokenRow> a1111_rows(const CLIPTokenizer& tokenizer,
                                 const std::vector<PromptFragment>& fragments);

}  // namespace xattn
