#include "xattn/ops/geglu.h"

#include <ATen/ops/gelu.h>

#include "ops/cpu/geglu.h"
#include "ops/linear.h"
#include "xattn/ops/linear.h"

namespace xattn {

at::Tensor geglu(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  if (linear_takes_kernels(x, weight, bias) && weight.size(0) % 2 == 0) {
    return cpu::geglu(x, weight, bias);
  }
  const auto halves = linear(x, weight, bias).chunk(2, -1);
  return halves[0] * at::gelu(halves[1]);
}

}  // namespace xattn
