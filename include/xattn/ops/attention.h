#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "xattn/core/export.h"

namespace xattn {

/// The weights of scaled dot-product attention, by the definition.
///
/// weights = softmax(query · keyᵀ / divisor + mask), over the keys
///
/// Shapes: query `[…, N, D]`, key `[…, T, D]`, mask broadcastable to `[…, N, T]`; returns
/// `[…, N, T]`. A boolean mask is true where a key takes part; a floating-point mask is added. A
/// query whose keys are all masked out (or T = 0) has zero weights, where a plain softmax would
/// give NaN. Any floating-point dtype, any device; differentiable.
XATTN_API at::Tensor attention_weights(const at::Tensor& query, const at::Tensor& key,
                                       double divisor,
                                       const std::optional<at::Tensor>& mask = std::nullopt);

}  // namespace xattn
