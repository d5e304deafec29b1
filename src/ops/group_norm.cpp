#include "xattn/ops/group_norm.h"

#include <ATen/ops/group_norm.h>
#include <ATen/ops/silu.h>

#include "ops/cpu/choice.h"
#include "ops/cpu/group_norm.h"
#include "ops/group_norm.h"
#include "ops/kernel_arguments.h"

namespace xattn {
namespace {

bool is_faster_norm(const at::Tensor& x) {
  return cpu::group_norm_is_faster(cpu::lies_by_pixels(x), x.numel() / (x.size(0) * x.size(1)));
}

}  // namespace

bool group_norm_can_take(const at::Tensor& x, const GroupNormArguments& arguments) {
  const auto& [groups, weight, bias, eps, activation] = arguments;
  return weight.defined() && kernels_can_take(x, weight, bias) && weight.dim() == 1 &&
         (x.dim() == 3 || x.dim() == 4) && x.size(1) == weight.size(0) && groups > 0 &&
         x.size(1) % groups == 0 && x.numel() > 0;
}

at::Tensor group_norm(const at::Tensor& x, int64_t groups, const at::Tensor& weight,
                      const at::Tensor& bias, double eps, NormActivation activation) {
  const bool silu = activation == NormActivation::kSilu;
  if (group_norm_can_take(x, {groups, weight, bias, eps, activation}) && is_faster_norm(x)) {
    return cpu::group_norm(x, {groups, eps, silu}, weight, bias);
  }
  const auto normalized = at::group_norm(x, groups, if_defined(weight), if_defined(bias), eps);
  return silu ? at::silu(normalized) : normalized;
}

}  // namespace xattn
