#pragma once

#include <ATen/core/Tensor.h>

#include "xattn/core/export.h"

namespace xattn {

/// x · weightᵀ + bias; the bias may be undefined.
///
/// Shapes: x `[..., S]`, weight `[O, S]`, bias `[O]`; returns `[..., O]`. float32 on the CPU
/// without gradient or autocast takes our kernels where they are at least as fast on this
/// processor, the rest `at::linear`.
/// An x of float32 on the CPU may have a weight that is stored in float16 or bfloat16: it is
/// widened, by our kernels block by block.
XATTN_API at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

}  // namespace xattn
