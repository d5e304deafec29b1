#include "xattn/ops/linear.h"

#include <ATen/ops/linear.h>

#include "ops/cpu/choice.h"
#include "ops/cpu/linear.h"
#include "ops/kernel_arguments.h"
#include "ops/linear.h"
#include "ops/planned.h"

namespace xattn {

bool linear_can_take(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return kernels_can_take(x, weight, bias) && weight.dim() == 2 && x.dim() > 0 &&
         x.size(-1) == weight.size(1) && x.numel() > 0;
}

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const auto compute = [&](bool ours) {
    return ours ? cpu::linear(x, weight, bias)
                : at::linear(x, widened_for(x, weight), if_defined(bias));
  };
  if (!linear_can_take(x, weight, bias)) return compute(/*ours=*/false);
  return by_ours_or_libtorchs(
      cpu::linear_is_faster(x.numel() / x.size(-1), is_stored_narrow(weight)),
      [&] { return product_name("linear", x, weight); }, compute);
}

}  // namespace xattn
