#include "xattn/ops/conv2d.h"

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/upsample_nearest2d.h>

#include <utility>

#include "ops/cpu/choice.h"
#include "ops/cpu/winograd.h"
#include "ops/group_norm.h"
#include "ops/kernel_arguments.h"
#include "xattn/ops/linear.h"
#include "xattn/ops/precision.h"

namespace xattn {
namespace {

bool can_use_winograd(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                      int64_t stride, int64_t padding) {
  return padding == 1 && kernels_can_take(x, weight, bias) && x.dim() == 4 && weight.dim() == 4 &&
         x.size(1) == weight.size(1) && weight.size(2) == 3 && weight.size(3) == 3 &&
         cpu::winograd_fits(weight.size(1), weight.size(0)) &&
         cpu::winograd_is_faster(x.size(0) * x.size(2) * x.size(3), stride);
}

/// Whether a 1×1 convolution is a linear layer over pixels as they lie: none is copied.
bool can_use_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  constexpr auto kPixels = at::MemoryFormat::ChannelsLast;
  return kernels_can_take(x, weight, bias) && x.dim() == 4 && weight.dim() == 4 &&
         x.size(1) == weight.size(1) && weight.size(2) == 1 && weight.size(3) == 1 &&
         x.numel() > 0 && x.suggest_memory_format() == kPixels && x.is_contiguous(kPixels) &&
         cpu::linear_conv2d_is_faster(x.numel() / x.size(1));
}

at::Tensor linear_conv2d(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  // Without gradient no view needs to know its base: the result may be written into.
  const at::AutoDispatchBelowADInplaceOrView guard;
  const auto pixels = x.permute({0, 2, 3, 1});
  // LibTorch adds a bias to rows as it multiplies, to more dimensions afterwards.
  return linear(pixels.reshape({-1, x.size(1)}), weight.flatten(1), bias)
      .view({x.size(0), x.size(2), x.size(3), -1})
      .permute({0, 3, 1, 2});
}

/// Whether a convolution by Winograd's way can take what it is fused with.
bool can_fuse(const at::Tensor& x, const at::Tensor& weight, const Conv2dFusion& fusion) {
  const auto& [norm, enlarges, shift, residual] = fusion;
  const int64_t scale = enlarges ? 2 : 1, channels = weight.size(0);
  const auto is_of = [](const at::Tensor& tensor, at::IntArrayRef sizes) {
    return is_plain_float(tensor) && tensor.sizes() == sizes && !wants_gradient({tensor});
  };
  return (!norm || group_norm_can_take(x, *norm)) &&
         (!shift.defined() || is_of(shift, {x.size(0), channels})) &&
         (!residual.defined() ||
          is_of(residual, {x.size(0), channels, scale * x.size(2), scale * x.size(3)}));
}

at::Tensor unfused_conv2d(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                          int64_t stride, int64_t padding) {
  if (can_use_winograd(x, weight, bias, stride, padding)) {
    auto output = cpu::winograd_conv2d(x, weight, bias, UsePrecision::current());
    if (stride == 1) return output;
    return output.slice(2, 0, std::nullopt, stride)
        .slice(3, 0, std::nullopt, stride)
        .contiguous(at::MemoryFormat::ChannelsLast);
  }
  if (stride == 1 && padding == 0 && can_use_linear(x, weight, bias)) {
    return linear_conv2d(x, weight, bias);
  }
  const auto output = at::conv2d(x, widened_for(x, weight), if_defined(bias), stride, padding);
  return kernels_can_take(x, weight, bias) && x.dim() == 4 && cpu::images_go_by_pixels()
             ? output.contiguous(at::MemoryFormat::ChannelsLast)
             : output;
}

}  // namespace

at::Tensor conv2d(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                  int64_t stride, int64_t padding, Conv2dFusion fusion) {
  if (stride == 1 && can_use_winograd(x, weight, bias, stride, padding) &&
      can_fuse(x, weight, fusion)) {
    return cpu::winograd_conv2d(x, weight, bias, UsePrecision::current(), std::move(fusion));
  }
  auto input = fusion.norm ? group_norm(x, *fusion.norm) : x;
  if (fusion.enlarges) {
    input = at::upsample_nearest2d(input, {2 * input.size(2), 2 * input.size(3)});
  }
  auto output = unfused_conv2d(input, weight, bias, stride, padding);
  if (fusion.shift.defined()) output = output.add(fusion.shift.unsqueeze(-1).unsqueeze(-1));
  return fusion.residual.defined() ? fusion.residual.add(output) : output;
}

}  // namespace xattn
