#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "core/check.h"
#include "ops/cpu/choice.h"
#include "ops/gradient.h"

namespace xattn {

/// Whether it is a tensor of float32 on the CPU, as our kernels read.
inline bool is_plain_float(const at::Tensor& tensor) {
  return tensor.is_cpu() && tensor.scalar_type() == at::kFloat && tensor.layout() == at::kStrided;
}

/// Whether it is a weight on the CPU that is stored narrower than float32, which our kernels widen
/// as they pack it. Vectors are not: whoever reads a bias or a norm's weight reads floats.
inline bool is_stored_narrow(const at::Tensor& weight) {
  const auto dtype = weight.scalar_type();
  return weight.is_cpu() && (dtype == at::kHalf || dtype == at::kBFloat16) &&
         weight.layout() == at::kStrided && weight.dim() >= 2;
}

/// Whether our kernels can multiply float32 with this weight.
inline bool is_packable(const at::Tensor& weight) {
  return is_plain_float(weight) || is_stored_narrow(weight);
}

/// The weight as LibTorch's operators take it beside x, which refuse two dtypes: one that is stored
/// narrower than an x of float32 is widened. Under autocast it is theirs to convert.
inline at::Tensor widened_for(const at::Tensor& x, const at::Tensor& weight) {
  if (!is_plain_float(x) || !is_stored_narrow(weight) || is_autocast(at::kCPU)) return weight;
  return weight.to(at::kFloat);
}

/// As LibTorch's operators take a bias or a weight that may be undefined.
inline std::optional<at::Tensor> if_defined(const at::Tensor& tensor) {
  return tensor.defined() ? std::optional(tensor) : std::nullopt;
}

/// Whether our kernels may compute something of these three: float32 on the CPU, a weight that may
/// be stored narrower, a bias that is undefined or has an element for each of the weight's first
/// dimension, no gradient, no autocast, and kernels that are not switched off.
///
/// What does not fit is LibTorch's to refuse, and autocast's casts are LibTorch's to make.
inline bool kernels_can_take(const at::Tensor& x, const at::Tensor& weight,
                             const at::Tensor& bias) {
  return cpu::use_kernels() && is_plain_float(x) && is_packable(weight) && weight.dim() > 0 &&
         (!bias.defined() ||
          (is_plain_float(bias) && bias.dim() == 1 && bias.size(0) == weight.size(0))) &&
         !is_autocast(at::kCPU) && !wants_gradient({x, weight, bias});
}

}  // namespace xattn
