#include "xattn/ops/conv2d.h"

#include <ATen/ops/conv2d.h>

#include "ops/cpu/choice.h"
#include "ops/cpu/linear.h"
#include "ops/cpu/winograd.h"
#include "ops/kernel_arguments.h"
#include "xattn/ops/precision.h"

namespace xattn {
namespace {

bool can_use_winograd(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return kernels_can_take(x, weight, bias) && x.dim() == 4 && weight.dim() == 4 &&
         x.size(1) == weight.size(1) && weight.size(2) == 3 && weight.size(3) == 3 &&
         cpu::winograd_fits(weight.size(1), weight.size(0)) &&
         cpu::winograd_is_faster(cpu::winograd_tiles(x, UsePrecision::current()));
}

/// Whether a 1×1 convolution is a linear layer over pixels as they lie: none is copied.
bool can_use_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  constexpr auto kPixels = at::MemoryFormat::ChannelsLast;
  return kernels_can_take(x, weight, bias) && x.dim() == 4 && weight.dim() == 4 &&
         x.size(1) == weight.size(1) && weight.size(2) == 1 && weight.size(3) == 1 &&
         x.numel() > 0 && x.suggest_memory_format() == kPixels && x.is_contiguous(kPixels) &&
         cpu::linear_is_faster(x.numel() / x.size(1), is_stored_narrow(weight));
}

at::Tensor linear_conv2d(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return cpu::linear(x.permute({0, 2, 3, 1}), weight.flatten(1), bias).permute({0, 3, 1, 2});
}

}  // namespace

at::Tensor conv2d(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                  int64_t stride, int64_t padding) {
  if (stride == 1 && padding == 1 && can_use_winograd(x, weight, bias)) {
    return cpu::winograd_conv2d(x, weight, bias, UsePrecision::current());
  }
  if (stride == 1 && padding == 0 && can_use_linear(x, weight, bias)) {
    return linear_conv2d(x, weight, bias);
  }
  const auto output = at::conv2d(x, widened_for(x, weight), if_defined(bias), stride, padding);
  return kernels_can_take(x, weight, bias) && x.dim() == 4 && cpu::images_go_by_pixels()
             ? output.contiguous(at::MemoryFormat::ChannelsLast)
             : output;
}

}  // namespace xattn
