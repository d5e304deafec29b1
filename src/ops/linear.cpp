#include "xattn/ops/linear.h"

#include <ATen/ops/linear.h>

#include "ops/cpu/choice.h"
#include "ops/cpu/linear.h"
#include "ops/kernel_arguments.h"
#include "ops/linear.h"

namespace xattn {
namespace {

bool is_faster(const at::Tensor& x, const at::Tensor& weight) {
  const auto inner = weight.size(1);
  return inner > 0 && cpu::linear_is_faster(x.numel() / inner, is_stored_narrow(weight));
}

}  // namespace

bool linear_can_take(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return kernels_can_take(x, weight, bias) && weight.dim() == 2 && x.dim() > 0 &&
         x.size(-1) == weight.size(1);
}

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  if (linear_can_take(x, weight, bias) && is_faster(x, weight)) {
    return cpu::linear(x, weight, bias);
  }
  return at::linear(x, widened_for(x, weight), if_defined(bias));
}

}  // namespace xattn
