#include "xattn/nn/linear.h"

#include <torch/nn/init.h>
#include <torch/utils.h>

#include <cmath>

#include "xattn/nn/initialization.h"
#include "xattn/ops/linear.h"

namespace xattn {

LinearImpl::LinearImpl(const torch::nn::LinearOptions& options_) : options(options_) {
  reset();
}

void LinearImpl::reset() {
  weight =
      register_parameter("weight", torch::empty({options.out_features(), options.in_features()}));
  bias = options.bias() ? register_parameter("bias", torch::empty({options.out_features()}))
                        : register_parameter("bias", torch::Tensor(), /*requires_grad=*/false);
  if (SkipInitialization::is_active()) return;
  torch::nn::init::kaiming_uniform_(weight, std::sqrt(5));
  if (bias.defined()) {
    const auto bound = 1 / std::sqrt(static_cast<double>(options.in_features()));
    torch::nn::init::uniform_(bias, -bound, bound);
  }
}

void LinearImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::Linear(in_features=" << options.in_features()
         << ", out_features=" << options.out_features()
         << ", bias=" << (options.bias() ? "true" : "false") << ")";
}

torch::Tensor LinearImpl::forward(const torch::Tensor& input) {
  return xattn::linear(input, effective_weight(), bias);
}

}  // namespace xattn
