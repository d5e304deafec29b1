#include "xattn/nn/feed_forward.h"

#include <torch/nn/modules/dropout.h>

#include "core/check.h"
#include "xattn/nn/activations.h"
#include "xattn/nn/linear.h"

namespace xattn {

FeedForwardImpl::FeedForwardImpl(const FeedForwardOptions& options_) : options(options_) {
  reset();
}

void FeedForwardImpl::reset() {
  const auto dim = options.dim(), inner = options.inner_dim().value_or(dim * options.mult());
  const auto& activation = options.activation_fn();
  net = register_module("net", torch::nn::ModuleList());
  if (activation == "geglu") {
    net->push_back(GEGLU(GEGLUOptions(dim, inner).bias(options.bias())));
  } else if (activation == "gelu" || activation == "gelu-approximate") {
    const auto approximate = activation == "gelu" ? "none" : "tanh";
    net->push_back(GELU(GELUOptions(dim, inner).approximate(approximate).bias(options.bias())));
  } else {
    throw_value_error("FeedForward", "activation_fn", "geglu, gelu or gelu-approximate",
                      activation);
  }
  net->push_back(torch::nn::Dropout(options.dropout()));
  net->push_back(Linear(
      torch::nn::LinearOptions(inner, options.dim_out().value_or(dim)).bias(options.bias())));
  if (options.final_dropout()) net->push_back(torch::nn::Dropout(options.dropout()));
}

void FeedForwardImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::FeedForward(dim=" << options.dim()
         << ", activation_fn=" << options.activation_fn() << ")";
}

torch::Tensor FeedForwardImpl::forward(const torch::Tensor& hidden_states) {
  // Typed members beside the list would be left behind by clone(), which replaces its modules.
  const bool is_gated = options.activation_fn() == "geglu";
  auto states = is_gated ? net->at<GEGLUImpl>(0).forward(hidden_states)
                         : net->at<GELUImpl>(0).forward(hidden_states);
  states = net->at<LinearImpl>(2).forward(net->at<torch::nn::DropoutImpl>(1).forward(states));
  return options.final_dropout() ? net->at<torch::nn::DropoutImpl>(3).forward(states) : states;
}

}  // namespace xattn
