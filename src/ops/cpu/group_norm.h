#pragma once

#include <ATen/core/Tensor.h>

#include "ops/cpu/group_norm_factors.h"

namespace xattn::cpu {

/// Whether images `[B, C, N]` or `[B, C, H, W]` lie pixel by pixel, not channel by channel.
bool lies_by_pixels(const at::Tensor& x);

/// `at::group_norm`, and `at::silu` if asked for, of float32 on the CPU and without gradient.
///
/// x `[B, C, N]` or `[B, C, H, W]` with one element or more, weight `[C]`, bias `[C]` or undefined.
/// The result lies in memory as x does; an x whose elements lie otherwise than channel by channel
/// or pixel by pixel is copied first. It is the same to the bit for any number of threads.
at::Tensor group_norm(const at::Tensor& x, const GroupNormSettings& settings,
                      const at::Tensor& weight, const at::Tensor& bias);

}  // namespace xattn::cpu
