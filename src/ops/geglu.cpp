#include "xattn/ops/geglu.h"

#include <ATen/ops/gelu.h>

#include "ops/cpu/choice.h"
#include "ops/cpu/geglu.h"
#include "ops/linear.h"
#include "xattn/ops/linear.h"

namespace xattn {

at::Tensor geglu(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  if (linear_can_take(x, weight, bias) && weight.size(0) % 2 == 0 && x.numel() > 0 &&
      cpu::geglu_is_faster(x.numel() / x.size(-1))) {
    return cpu::geglu(x, weight, bias);
  }
  const auto halves = linear(x, weight, bias).chunk(2, -1);
  return halves[0].mul(at::gelu(halves[1]));
}

}  // namespace xattn
