#pragma once

#include <ATen/core/Tensor.h>

#include "xattn/ops/prepared_text.h"

namespace xattn {

/// softmax(query keyᵀ / divisor) value, by our kernels or LibTorch's, whichever are faster.
///
/// Shapes: query `[B, H, N, D]`, key and value `[B, H, T, D]`; returns `[B, H, N, D]`. Ours are for
/// float32 on the CPU, without gradient and without autocast.
at::Tensor scaled_dot_product_attention(const at::Tensor& query, const at::Tensor& key,
                                        const at::Tensor& value, double divisor);

/// Whether `self_attention` is the fastest way for a layer of these matrices, and can be taken.
bool self_attention_is_faster(const CrossAttentionWeights& weights, const at::Tensor& features);

/// The attention of features `[B, N, C]` to themselves, with all projections; returns `[B, N, O]`.
at::Tensor self_attention(const CrossAttentionWeights& weights, const at::Tensor& features);

}  // namespace xattn
