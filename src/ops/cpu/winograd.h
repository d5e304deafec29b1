#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "ops/cpu/choice.h"
#include "xattn/ops/conv2d.h"

namespace xattn::cpu {

/// Whether `winograd_conv2d` knows a convolution of so many channels.
bool winograd_fits(int64_t in_channels, int64_t out_channels);

/// A 3×3 convolution with stride 1 and padding 1, and what it is fused with.
///
/// x `[B, C, H, W]`, weight `[O, C, 3, 3]`, bias `[O]` or undefined, float32 on the CPU. The result
/// `[B, O, H, W]` has its channels side by side in memory (`at::MemoryFormat::ChannelsLast`), as x
/// best has too. It takes the place of a residual that nobody else holds.
at::Tensor winograd_conv2d(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                           WinogradWay way, Conv2dFusion fusion = {});

}  // namespace xattn::cpu
