#pragma once

#include <cstdint>
#include <string>

#include "xattn/core/export.h"

namespace xattn {

/// The ways to compute cross attention; all give the same numbers but for rounding.
enum class AttentionPath {
  /// The fastest that can be used: what `choose_attention_path` says.
  kAuto,
  /// The definition: every score, then every weight, then the output.
  kExplicit,
  /// LibTorch's `scaled_dot_product_attention` between the projections.
  kSdpa,
  /// By blocks of image tokens, whose queries and scores never leave the cache. CPU, float32, no
  /// gradient.
  kBlocked,
  /// As `kBlocked`, with the query projection folded into the keys and the output projection into
  /// the
  /// values. CPU, float32, no gradient.
  kFolded,
};

/// "auto", "explicit", "sdpa", "blocked" or "folded".
XATTN_API std::string to_string(AttentionPath path);

/// The sizes that decide which path is fastest.
struct AttentionShape {
  int64_t batch = 1;
  int64_t image_tokens = 1;
  int64_t text_tokens = 1;
  int64_t num_heads = 1;
  /// Widths of the image features, the text features, all heads together, and the output.
  int64_t image_width = 1;
  int64_t text_width = 1;
  int64_t inner_width = 1;
  int64_t out_width = 1;
};

/// Floating-point operations of a path for this shape; with `prepared`, without those of the text.
XATTN_API double attention_flops(AttentionPath path, const AttentionShape& shape, bool prepared);

/// The cheapest of `kBlocked`, `kFolded` and `kSdpa` on this processor, always the same for a
/// shape; `kSdpa` where our kernels are switched off.
///
/// Per image token, blocked costs the query projection, the scores, their product with the values
/// and the output projection; folded costs two products with an inner width of num_heads ·
/// text_tokens instead, and some preparation. So short texts are folded, long ones are not; for a
/// few image tokens no preparation pays.
XATTN_API AttentionPath choose_attention_path(const AttentionShape& shape, bool prepared);

}  // namespace xattn
