#pragma once

#include <ATen/core/Tensor.h>

#include "core/check.h"
#include "ops/gradient.h"

namespace xattn {

/// Whether it is a tensor of float32 on the CPU, as our kernels read.
inline bool is_plain_float(const at::Tensor& tensor) {
  return tensor.is_cpu() && tensor.scalar_type() == at::kFloat && tensor.layout() == at::kStrided;
}

/// Whether our kernels may compute something of these three: float32 on the CPU, a bias that is
/// undefined or has an element for each of the weight's first dimension, no gradient, no autocast.
///
/// What does not fit is LibTorch's to refuse, and autocast's casts are LibTorch's to make.
inline bool kernels_can_take(const at::Tensor& x, const at::Tensor& weight,
                             const at::Tensor& bias) {
  return is_plain_float(x) && is_plain_float(weight) && weight.dim() > 0 &&
         (!bias.defined() ||
          (is_plain_float(bias) && bias.dim() == 1 && bias.size(0) == weight.size(0))) &&
         !is_autocast(at::kCPU) && !wants_gradient({x, weight, bias});
}

}  // namespace xattn
