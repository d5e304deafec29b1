#pragma once

#include <torch/nn/options/linear.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <ostream>

#include "xattn/core/export.h"
#include "xattn/nn/stored_weights.h"

namespace xattn {

/// `torch::nn::Linear`, which `SkipInitialization` spares from drawing weights: y = x Aᵀ + b.
///
/// Shapes: `[..., in_features]` to `[..., out_features]`. `weight` A is
/// `[out_features, in_features]`; `store_weights` may keep it in a narrower type.
///
/// Reference: torch 2.13.0, torch/nn/modules/linear.py, `Linear`.
class XATTN_API LinearImpl : public detail::StoredWeight<LinearImpl> {
 public:
  LinearImpl(int64_t in_features, int64_t out_features)
      : LinearImpl(torch::nn::LinearOptions(in_features, out_features)) {}
  explicit LinearImpl(const torch::nn::LinearOptions& options_);

  void reset() override;

  /// Pretty prints the `Linear` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  torch::Tensor forward(const torch::Tensor& input);

  /// The options with which this `Module` was constructed.
  torch::nn::LinearOptions options;

  /// Undefined without bias.
  torch::Tensor bias;
};

/// A `ModuleHolder` subclass for `LinearImpl`.
TORCH_MODULE(Linear);

}  // namespace xattn
