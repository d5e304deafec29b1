#include "xattn/ops/conv2d.h"

#include <ATen/ops/conv2d.h>

#include <optional>

#include "ops/cpu/choice.h"
#include "ops/cpu/winograd.h"
#include "ops/kernel_arguments.h"

namespace xattn {
namespace {

bool can_use_winograd(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return kernels_can_take(x, weight, bias) && x.dim() == 4 && weight.dim() == 4 &&
         x.size(1) == weight.size(1) && weight.size(2) == 3 && weight.size(3) == 3 &&
         cpu::winograd_fits(weight.size(1), weight.size(0)) &&
         cpu::winograd_is_faster(cpu::winograd_tiles(x));
}

}  // namespace

at::Tensor conv2d(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                  int64_t stride, int64_t padding) {
  if (stride == 1 && padding == 1 && can_use_winograd(x, weight, bias)) {
    return cpu::winograd_conv2d(x, weight, bias);
  }
  return at::conv2d(x, weight, bias.defined() ? std::optional(bias) : std::nullopt, stride,
                    padding);
}

}  // namespace xattn
