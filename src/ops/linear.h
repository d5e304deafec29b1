#pragma once

#include <ATen/core/Tensor.h>

namespace xattn {

/// Whether our kernels can compute `linear` of these.
bool linear_can_take(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

}  // namespace xattn
