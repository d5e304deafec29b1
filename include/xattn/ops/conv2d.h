#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "xattn/core/export.h"

namespace xattn {

/// A convolution with a square kernel; the bias may be undefined.
///
/// Shapes: x `[B, C, H, W]`, weight `[O, C, K, K]`, bias `[O]`; returns `[B, O, H', W']`.
///
/// K = 3 with stride 1 and padding 1, in float32 on the CPU without gradient or autocast, takes
/// Winograd's F(4×4, 3×3) on our kernels where they are faster on this processor: a quarter of the
/// multiplications, within 5e-6 of the output's scale. Under `Precision::kPrecise` it takes
/// F(2×2, 3×3): four ninths, within 1e-6. K = 1 with stride 1 and no padding of an x whose channels
/// lie side by side is a linear layer over pixels, on our kernels where they are faster. The rest
/// is `at::conv2d`'s. In float32 on a CPU with our kernels, every result has
/// `at::MemoryFormat::ChannelsLast`. An x of float32 on the CPU may have a weight that is stored in
/// float16 or bfloat16, as in `linear`.
XATTN_API at::Tensor conv2d(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                            int64_t stride, int64_t padding);

}  // namespace xattn
