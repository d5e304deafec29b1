#include "xattn/nn/conv2d.h"

#include <torch/nn/init.h>
#include <torch/utils.h>

#include <cmath>
#include <utility>

#include "xattn/nn/initialization.h"

namespace xattn {

Conv2dImpl::Conv2dImpl(const Conv2dOptions& options_) : options(options_) {
  reset();
}

void Conv2dImpl::reset() {
  const auto kernel = options.kernel_size();
  weight = register_parameter(
      "weight", torch::empty({options.out_channels(), options.in_channels(), kernel, kernel}));
  bias = options.bias() ? register_parameter("bias", torch::empty({options.out_channels()}))
                        : register_parameter("bias", torch::Tensor(), /*requires_grad=*/false);
  if (SkipInitialization::is_active()) return;
  torch::nn::init::kaiming_uniform_(weight, std::sqrt(5));
  if (bias.defined()) {
    const auto bound = 1 / std::sqrt(static_cast<double>(options.in_channels() * kernel * kernel));
    torch::nn::init::uniform_(bias, -bound, bound);
  }
}

void Conv2dImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::Conv2d(" << options.in_channels() << ", " << options.out_channels()
         << ", kernel_size=" << options.kernel_size() << ", stride=" << options.stride()
         << ", padding=" << options.padding() << ")";
}

torch::Tensor Conv2dImpl::forward(const torch::Tensor& input, Conv2dFusion fusion) {
  return conv2d(input, effective_weight(), bias, options.stride(), options.padding(),
                std::move(fusion));
}

}  // namespace xattn
