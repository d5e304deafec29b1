#include "xattn/models/clip/clip_mlp.h"

#include <torch/utils.h>

#include "core/call.h"
#include "core/check.h"

namespace xattn {
namespace {

constexpr auto kCLIPMLP = "CLIPMLP";

torch::Tensor activate(const torch::Tensor& features, CLIPActivation activation) {
  if (activation == CLIPActivation::kGelu) return torch::gelu(features);
  return features * torch::sigmoid(1.702 * features);
}

}  // namespace

CLIPMLPImpl::CLIPMLPImpl(const CLIPMLPOptions& options_) : options(options_) {
  reset();
}

void CLIPMLPImpl::reset() {
  check_at_least(kCLIPMLP, "hidden_size", options.hidden_size(), 1);
  check_at_least(kCLIPMLP, "intermediate_size", options.intermediate_size(), 1);
  fc1 = register_module("fc1", Linear(options.hidden_size(), options.intermediate_size()));
  fc2 = register_module("fc2", Linear(options.intermediate_size(), options.hidden_size()));
}

void CLIPMLPImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::CLIPMLP(hidden_size=" << options.hidden_size()
         << ", intermediate_size=" << options.intermediate_size() << ", hidden_act="
         << (options.hidden_act() == CLIPActivation::kGelu ? "gelu" : "quick_gelu") << ")";
}

torch::Tensor CLIPMLPImpl::forward(const torch::Tensor& hidden_states) {
  const Call call(*this, kCLIPMLP);
  return fc2(activate(fc1(hidden_states), options.hidden_act()));
}

}  // namespace xattn
