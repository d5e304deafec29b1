#pragma once

#include <ATen/core/Tensor.h>

namespace xattn::cpu {

/// `xattn::geglu` of float32 on the CPU, on our kernels.
at::Tensor geglu(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

}  // namespace xattn::cpu
