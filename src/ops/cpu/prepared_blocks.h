#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "xattn/ops/prepared_text.h"

namespace xattn::cpu {

/// Texts as the blocks use them, packed for the processor.
struct PreparedBlocks {
  int64_t num_heads, text_tokens, image_width, out_width;
  /// The texts: as many as images, or one for all of them.
  int64_t batch_size;
  /// The width between the two large products: the heads' together or, folded, H·T.
  int64_t inner;
  bool is_folded;
  /// What the query bias and the mask add to the scores, `[B, H·T]`, in units of log₂.
  at::Tensor score_bias;
  /// `[C, inner]`: the query projection, in units of log₂; folded, one for each text, with its
  /// keys.
  at::Tensor query;
  /// `[I/H, T]` and `[T, I/H]`, for each text and head; not where folded.
  at::Tensor key, value;
  /// `[inner + 1, O]`: the output projection; folded, one for each text, with its values. The last
  /// row is the output bias, a value whose weight is always 1.
  at::Tensor out;
};

/// The texts at these places of the batch.
PreparedBlocks select(const PreparedBlocks& blocks, const at::Tensor& texts);

/// The texts of all, one batch after the other; they are of one layer, with as many tokens.
PreparedBlocks cat(const std::vector<std::shared_ptr<const PreparedBlocks>>& all);

/// Prepares a text, whose keys and values are there, for `kBlocked` or `kFolded`.
PreparedBlocks prepare_blocks(const PreparedText& text);

}  // namespace xattn::cpu
