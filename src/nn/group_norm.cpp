#include "xattn/nn/group_norm.h"

#include <torch/utils.h>

#include "xattn/ops/group_norm.h"

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
  static const Activation silu = get_activation("silu");
  const bool is_silu = activation == silu;
  const auto output = xattn::group_norm(input, options.num_groups(), weight, bias, options.eps(),
                                        is_silu ? NormActivation::kSilu : NormActivation::kNone);
  return activation && !is_silu ? activation(output) : output;
}

}  // namespace xattn
