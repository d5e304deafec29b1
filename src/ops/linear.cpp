#include "xattn/ops/linear.h"

#include <ATen/ops/linear.h>

#include <optional>

#include "core/check.h"
#include "ops/cpu/choice.h"
#include "ops/cpu/linear.h"
#include "ops/gradient.h"

namespace xattn {
namespace {

bool can_use_kernels(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const auto is_plain = [](const at::Tensor& tensor) {
    return tensor.is_cpu() && tensor.scalar_type() == at::kFloat && tensor.layout() == at::kStrided;
  };
  // What does not fit is at::linear's to refuse, and autocast's casts are at::linear's to make.
  return is_plain(x) && is_plain(weight) &&
         (!bias.defined() || (is_plain(bias) && bias.dim() == 1)) && weight.dim() == 2 &&
         x.dim() > 0 && x.size(-1) == weight.size(1) && !is_autocast(at::kCPU) &&
         (!bias.defined() || bias.size(0) == weight.size(0)) && !wants_gradient({x, weight, bias});
}

bool is_faster(const at::Tensor& x, const at::Tensor& weight) {
  const auto inner = weight.size(1);
  return inner > 0 && cpu::linear_is_faster(x.numel() / inner);
}

}  // namespace

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  if (can_use_kernels(x, weight, bias) && is_faster(x, weight)) {
    return cpu::linear(x, weight, bias);
  }
  return at::linear(x, weight, bias.defined() ? std::optional(bias) : std::nullopt);
}

}  // namespace xattn
