#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <ostream>
#include <string>

#include "xattn/core/export.h"
#include "xattn/nn/linear.h"

namespace xattn {

/// A function of each element, without parameters.
using Activation = torch::Tensor (*)(const torch::Tensor& input);

/// "silu" or its other name "swish", "mish", "gelu" or "relu", in letters of either case.
///
/// Throws: `ValueError` for another name, with `place` and `argument`.
///
/// Reference: diffusers 0.42.1, models/activations.py, `get_activation`.
XATTN_API Activation get_activation(const std::string& name,
                                    const std::string& place = "get_activation",
                                    const std::string& argument = "act_fn");

/// Options of `GELU`.
struct GELUOptions {
  GELUOptions(int64_t dim_in, int64_t dim_out) : dim_in_(dim_in), dim_out_(dim_out) {}

  TORCH_ARG(int64_t, dim_in);
  TORCH_ARG(int64_t, dim_out);
  /// "none", or "tanh" for the approximation.
  TORCH_ARG(std::string, approximate) = "none";
  TORCH_ARG(bool, bias) = true;
};

/// y = gelu(proj(x)).
///
/// Shapes: `[..., dim_in]` to `[..., dim_out]`.
///
/// Throws: `ValueError` for another `approximate`.
///
/// Reference: diffusers 0.42.1, models/activations.py, `GELU`.
class XATTN_API GELUImpl : public torch::nn::Cloneable<GELUImpl> {
 public:
  explicit GELUImpl(const GELUOptions& options_);

  void reset() override;

  /// Pretty prints the `GELU` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  torch::Tensor forward(const torch::Tensor& hidden_states);

  /// The options with which this `Module` was constructed.
  GELUOptions options;

  Linear proj = nullptr;
};

/// A `ModuleHolder` subclass for `GELUImpl`.
TORCH_MODULE(GELU);

/// Options of `GEGLU`.
struct GEGLUOptions {
  GEGLUOptions(int64_t dim_in, int64_t dim_out) : dim_in_(dim_in), dim_out_(dim_out) {}

  TORCH_ARG(int64_t, dim_in);
  TORCH_ARG(int64_t, dim_out);
  TORCH_ARG(bool, bias) = true;
};

/// y = h · gelu(g), where h and g are the halves of proj(x).
///
/// Shapes: `[..., dim_in]` to `[..., dim_out]`.
///
/// Reference: diffusers 0.42.1, models/activations.py, `GEGLU`.
class XATTN_API GEGLUImpl : public torch::nn::Cloneable<GEGLUImpl> {
 public:
  explicit GEGLUImpl(const GEGLUOptions& options_);

  void reset() override;

  /// Pretty prints the `GEGLU` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  torch::Tensor forward(const torch::Tensor& hidden_states);

  /// The options with which this `Module` was constructed.
  GEGLUOptions options;

  Linear proj = nullptr;
};

/// A `ModuleHolder` subclass for `GEGLUImpl`.
TORCH_MODULE(GEGLU);

}  // namespace xattn
