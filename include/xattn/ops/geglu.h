#pragma once

#include <ATen/core/Tensor.h>

#include "xattn/core/export.h"

namespace xattn {

/// hidden · gelu(gates), where (hidden, gates) = x · weightᵀ + bias in two halves of the last
/// dimension, and gelu(x) = x Φ(x); the bias may be undefined.
///
/// Shapes: x `[..., S]`, weight `[2 O, S]`, bias `[2 O]`; returns `[..., O]`. float32 on the CPU
/// without gradient or autocast takes our kernels where they are faster on this processor: the
/// halves are never in memory as a whole, and the output is within 2e-6 of its scale. The rest is
/// `linear`'s and LibTorch's. The weight may be stored as in `linear`.
///
/// Reference: Shazeer, arXiv 2002.05202.
XATTN_API at::Tensor geglu(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

}  // namespace xattn
