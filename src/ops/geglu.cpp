#include "xattn/ops/geglu.h"

#include <ATen/ops/gelu.h>

#include "ops/cpu/choice.h"
#include "ops/cpu/geglu.h"
#include "ops/linear.h"
#include "ops/planned.h"
#include "xattn/ops/linear.h"

namespace xattn {

at::Tensor geglu(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const auto compute = [&](bool ours) {
    if (ours) return cpu::geglu(x, weight, bias);
    const auto halves = linear(x, weight, bias).chunk(2, -1);
    return halves[0].mul(at::gelu(halves[1]));
  };
  if (!linear_can_take(x, weight, bias) || weight.size(0) % 2 != 0) return compute(/*ours=*/false);
  return by_ours_or_libtorchs(
      cpu::geglu_is_faster(x.numel() / x.size(-1)),
      [&] { return product_name("geglu", x, weight); }, compute);
}

}  // namespace xattn
