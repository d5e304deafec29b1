#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "xattn/ops/prepared_text.h"

namespace xattn {

/// Whether autograd is to see what a layer of these matrices makes of the features.
bool layer_wants_gradient(const CrossAttentionWeights& weights, const at::Tensor& features);

/// Attention for gradients, by LibTorch's operators in the original's order: query, key, value.
/// Where all three read the same features, their gradients are summed in the reverse of it, so that
/// the sum is Python's to the bit.
///
/// Shapes: image_features `[B, N, Q]`, text_features `[B, T, S]`, mask `[B, 1, 1, T]`, added to the
/// scores or boolean; returns `[B, N, O]`.
at::Tensor recorded_attention(const CrossAttentionWeights& weights,
                              const at::Tensor& image_features, const at::Tensor& text_features,
                              const std::optional<at::Tensor>& mask);

}  // namespace xattn
