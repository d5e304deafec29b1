#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

#include "xattn/core/export.h"
#include "xattn/ops/attention_path.h"
#include "xattn/ops/prepared_text.h"

namespace xattn {

/// Whether `kBlocked` and `kFolded` can be used: float32 on the CPU, neither gradient nor autocast.
/// The weights may be stored in float16 or bfloat16.
XATTN_API bool can_use_blocks(const CrossAttentionWeights& weights, const at::Tensor& features);

/// Prepares a text `[B, T, S]` with an optional mask `[B, 1, 1, T]`.
///
/// `kAuto` chooses the path for `image_tokens` or, where that is not known, for many. A path that
/// cannot be used for these tensors gives way to `kSdpa`.
///
/// Throws: `ValueError` for a text or a mask of another shape.
XATTN_API PreparedText prepare_text(const CrossAttentionWeights& weights,
                                    const at::Tensor& text_features,
                                    const std::optional<at::Tensor>& mask, AttentionPath path,
                                    std::optional<int64_t> image_tokens = std::nullopt);

/// softmax(q kᵀ / divisor + mask) v through the output projection.
///
/// Shapes: image_features `[B, N, C]`, returns `[B, N, O]`, in memory channel by channel where the
/// image features are; the text's batch is B or 1. Without gradient, memory beyond input and output
/// is at most 16 MiB on the CPU, whatever the path. A text prepared for `kBlocked` or `kFolded` is
/// used by `kSdpa` where those cannot be.
///
/// Throws: `ValueError` for image features of another shape, and for a text whose weights have
/// changed since it was prepared.
XATTN_API at::Tensor cross_attention(const at::Tensor& image_features, const PreparedText& text);

}  // namespace xattn
