#include "xattn/nn/group_norm.h"

#include <torch/utils.h>

namespace xattn {

GroupNormImpl::GroupNormImpl(const torch::nn::GroupNormOptions& options_) : options(options_) {
  reset();
}

void GroupNormImpl::reset() {
  if (options.affine()) {
    weight = register_parameter("weight", torch::ones({options.num_channels()}));
    bias = register_parameter("bias", torch::zeros({options.num_channels()}));
  } else {
    weight = register_parameter("weight", torch::Tensor(), /*requires_grad=*/false);
    bias = register_parameter("bias", torch::Tensor(), /*requires_grad=*/false);
  }
}

void GroupNormImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::GroupNorm(" << options.num_groups() << ", " << options.num_channels()
         << ", eps=" << options.eps() << ", affine=" << (options.affine() ? "true" : "false")
         << ")";
}

torch::Tensor GroupNormImpl::forward(const torch::Tensor& input, Activation activation) {
  if (const auto norm = arguments(activation)) return xattn::group_norm(input, *norm);
  return activation(xattn::group_norm(input, *arguments()));
}

std::optional<GroupNormArguments> GroupNormImpl::arguments(Activation activation) const {
  static const Activation silu = get_activation("silu");
  if (activation && activation != silu) return std::nullopt;
  return GroupNormArguments{options.num_groups(), weight, bias, options.eps(),
                            activation ? NormActivation::kSilu : NormActivation::kNone};
}

}  // namespace xattn
