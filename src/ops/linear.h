#pragma once

#include <ATen/core/Tensor.h>

namespace xattn {

/// Whether `linear` of these takes our kernels: they can compute it and are faster here.
bool linear_takes_kernels(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

}  // namespace xattn
