#include "xattn/ops/group_norm.h"

#include <ATen/ops/group_norm.h>
#include <ATen/ops/silu.h>
#include <fmt/format.h>

#include "ops/cpu/choice.h"
#include "ops/cpu/group_norm.h"
#include "ops/group_norm.h"
#include "ops/kernel_arguments.h"
#include "ops/planned.h"

namespace xattn {
namespace {

std::string norm_name(const at::Tensor& x, bool silu) {
  return fmt::format("group_norm{} {}{}", silu ? "+silu" : "", sizes_name(x.sizes()),
                     cpu::lies_by_pixels(x) ? "" : ", by channels");
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
  const auto compute = [&](bool ours) {
    if (ours) return cpu::group_norm(x, {groups, eps, silu}, weight, bias);
    const auto normalized = at::group_norm(x, groups, if_defined(weight), if_defined(bias), eps);
    return silu ? at::silu(normalized) : normalized;
  };
  if (!group_norm_can_take(x, {groups, weight, bias, eps, activation})) {
    return compute(/*ours=*/false);
  }
  const auto pixels = x.numel() / (x.size(0) * x.size(1));
  return by_ours_or_libtorchs(
      cpu::group_norm_is_faster(cpu::lies_by_pixels(x), pixels), [&] { return norm_name(x, silu); },
      compute);
}

}  // namespace xattn
