#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "xattn/core/export.h"

namespace xattn {

/// What `group_norm` does to each element at the end.
enum class NormActivation {
  kNone,
  /// y / (1 + e^-y).
  kSilu,
};

/// The arguments of `group_norm` but x.
struct GroupNormArguments {
  int64_t groups;
  at::Tensor weight, bias;
  double eps;
  NormActivation activation = NormActivation::kNone;
};

/// Normalises each image's groups of channels: y = (x - mean) / sqrt(var + eps) · weight + bias,
/// then the activation. Mean and variance are those of a group's channels and pixels; weight and
/// bias, of which each may be undefined, have an element for each channel.
///
/// Shapes: x `[B, C, ...]`, weight and bias `[C]`; returns x's.
///
/// Tensors `[B, C, N]` and `[B, C, H, W]` of float32 on the CPU without gradient or autocast take
/// our kernels where they are faster on this processor: they read x twice and write once, and are
/// within 2e-6 of the output's scale, also where the mean is much larger than the deviation. The
/// result lies in memory as x does, be the pixels of a channel side by side or the channels of a
/// pixel. The rest is `at::group_norm`'s and `at::silu`'s.
XATTN_API at::Tensor group_norm(const at::Tensor& x, int64_t groups, const at::Tensor& weight,
                                const at::Tensor& bias, double eps,
                                NormActivation activation = NormActivation::kNone);

inline at::Tensor group_norm(const at::Tensor& x, const GroupNormArguments& arguments) {
  return group_norm(x, arguments.groups, arguments.weight, arguments.bias, arguments.eps,
                    arguments.activation);
}

}  // namespace xattn
