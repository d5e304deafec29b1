#include "xattn/nn/feed_forward.h"

#include "check.h"

namespace xattn {

FeedForwardImpl::FeedForwardImpl(const FeedForwardOptions& options_) : options(options_) {
  reset();
}

void FeedForwardImpl::reset() {
  const auto dim = options.dim(), inner = options.inner_dim().value_or(dim * options.mult());
  const auto& activation = options.activation_fn();
  net = register_module("net", torch::nn::ModuleList());
  if (activation == "geglu") {
    geglu_ = GEGLU(GEGLUOptions(dim, inner).bias(options.bias()));
    net->push_back(geglu_);
  } else if (activation == "gelu" || activation == "gelu-approximate") {
    const auto approximate = activation == "gelu" ? "none" : "tanh";
    gelu_ = GELU(GELUOptions(dim, inner).approximate(approximate).bias(options.bias()));
    net->push_back(gelu_);
  } else {
    throw_value_error("FeedForward", "activation_fn", "geglu, gelu or gelu-approximate", activation);
  }
  dropout_ = torch::nn::Dropout(options.dropout());
  net->push_back(dropout_);
  out_ = Linear(torch::nn::LinearOptions(inner, options.dim_out().value_or(dim)).bias(options.bias()));
  net->push_back(out_);
  if (options.final_dropout()) net->push_back(torch::nn::Dropout(options.dropout()));
}

void FeedForwardImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::FeedForward(dim=" << options.dim() << ", activation_fn=" << options.activation_fn()
         << ")";
}

torch::Tensor FeedForwardImpl::forward(const torch::Tensor& hidden_states) {
  const auto inner = geglu_ ? geglu_(hidden_states) : gelu_(hidden_states);
  const auto output = out_(dropout_(inner));
  // The last dropout has the same probability.
  return options.final_dropout() ? dropout_(output) : output;
}

}  // namespace xattn
