#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

#include "xattn/core/export.h"
#include "xattn/ops/group_norm.h"

namespace xattn {

/// What a convolution is computed with in one pass over memory, each part unless it is absent:
///
///     conv2d(enlarge(activation(group_norm(x)))) + shift + residual
///
/// `Conv2dFusion` is a value for one call: what `norm` names is read, and a `residual` that nobody
/// else holds may become the result.
struct Conv2dFusion {
  /// Comes before, as `group_norm` does it.
  std::optional<GroupNormArguments> norm = std::nullopt;
  /// Whether x is then enlarged to twice its height and width, each pixel to four.
  bool enlarges = false;
  /// `[B, O]`, added to each pixel.
  at::Tensor shift = {};
  /// `[B, O, H', W']`, added to the result.
  at::Tensor residual = {};
};

/// A convolution with a square kernel, and what it is fused with; the bias may be undefined.
///
/// Shapes: x `[B, C, H, W]`, weight `[O, C, K, K]`, bias `[O]`; returns `[B, O, H', W']`.
///
/// K = 3 with padding 1 and stride 1 (for few pixels 2, too), in float32 on the CPU without
/// gradient or autocast, takes Winograd's F(4×4, 3×3) on our kernels where they are faster on this
/// processor: a quarter of the multiplications, within 5e-6 of the output's scale; what it is fused
/// with is computed within. Under `Precision::kPrecise` it takes F(2×2, 3×3): four ninths, within
/// 1e-6. K = 1 with stride 1 and no padding of an x whose channels lie side by side is `linear`
/// over pixels where that is faster. The rest is `at::conv2d`'s, between the operators that the
/// fusion names. In float32 on a CPU with our kernels, every result has
/// `at::MemoryFormat::ChannelsLast`, a sum with a residual by operators that residual's. An x of
/// float32 on the CPU may have a weight that is stored in float16 or bfloat16, as in `linear`.
XATTN_API at::Tensor conv2d(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                            int64_t stride, int64_t padding, Conv2dFusion fusion = {});

}  // namespace xattn
