#pragma once

#include <ATen/core/Tensor.h>

namespace xattn::cpu {

/// x · weightᵀ + bias as `at::linear`'s, for float32 on the CPU and without gradient; the bias may
/// be undefined, the weight stored in float16 or bfloat16. Shapes: x `[..., S]`, weight `[O, S]`,
/// bias `[O]`.
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

}  // namespace xattn::cpu
