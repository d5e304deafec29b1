#include "xattn/nn/activations.h"

#include <ATen/ops/gelu.h>
#include <ATen/ops/mish.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/silu.h>

#include <algorithm>
#include <cctype>

#include "core/check.h"
#include "xattn/ops/geglu.h"

namespace xattn {

Activation get_activation(const std::string& name, const std::string& place,
                          const std::string& argument) {
  auto lower = name;
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  if (lower == "silu" || lower == "swish")
    return [](const torch::Tensor& input) { return at::silu(input); };
  if (lower == "mish") return [](const torch::Tensor& input) { return at::mish(input); };
  if (lower == "gelu") return [](const torch::Tensor& input) { return at::gelu(input); };
  if (lower == "relu") return [](const torch::Tensor& input) { return at::relu(input); };
  throw_value_error(place, argument, "silu, swish, mish, gelu or relu", name);
}

GELUImpl::GELUImpl(const GELUOptions& options_) : options(options_) {
  reset();
}

void GELUImpl::reset() {
  const auto& approximate = options.approximate();
  if (approximate != "none" && approximate != "tanh") {
    throw_value_error("GELU", "approximate", "none or tanh", approximate);
  }
  proj = register_module(
      "proj",
      Linear(torch::nn::LinearOptions(options.dim_in(), options.dim_out()).bias(options.bias())));
}

void GELUImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::GELU(dim_in=" << options.dim_in() << ", dim_out=" << options.dim_out()
         << ", approximate=" << options.approximate() << ")";
}

torch::Tensor GELUImpl::forward(const torch::Tensor& hidden_states) {
  return at::gelu(proj(hidden_states), options.approximate());
}

GEGLUImpl::GEGLUImpl(const GEGLUOptions& options_) : options(options_) {
  reset();
}

void GEGLUImpl::reset() {
  proj = register_module(
      "proj",
      Linear(
          torch::nn::LinearOptions(options.dim_in(), 2 * options.dim_out()).bias(options.bias())));
}

void GEGLUImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::GEGLU(dim_in=" << options.dim_in() << ", dim_out=" << options.dim_out() << ")";
}

torch::Tensor GEGLUImpl::forward(const torch::Tensor& hidden_states) {
  return geglu(hidden_states, proj->effective_weight(), proj->bias);
}

}  // namespace xattn
