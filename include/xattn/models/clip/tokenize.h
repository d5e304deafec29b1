#pragma once

#include <ATen/core/Tensor.h>

#include <span>
#include <string>
#include <vector>

#include "xattn/core/export.h"
#include "xattn/text/clip_tokenizer.h"

namespace xattn {

/// Texts as a text encoder takes them.
///
/// Shapes: both tensors are `[B, T]`, one row a text.
///
/// Dtype: int64, on the CPU.
struct TokenizedTexts {
  at::Tensor input_ids;
  /// One for each id of a text, zero for padding.
  at::Tensor attention_mask;
  /// What truncation took away from each text; empty where all of it fits.
  std::vector<std::string> cut;
};

/// Encodes texts into one tensor: Python's `tokenizer(texts, return_tensors="pt")`.
///
/// With padding T is the `max_length`; without it, the length that all texts must have.
///
/// Throws: `ValueError` for texts of different lengths, and as `CLIPTokenizer::encode`.
///
/// Reference: transformers 5.23.0, tokenization_utils_base.py, `__call__`.
XATTN_API TokenizedTexts tokenize(const CLIPTokenizer& tokenizer,
                                  std::span<const std::string> texts,
                                  const TokenizeOptions& options = {});

}  // namespace xattn
