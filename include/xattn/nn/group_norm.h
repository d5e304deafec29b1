#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/modules/common.h>
#include <torch/nn/options/normalization.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <optional>
#include <ostream>

#include "xattn/core/export.h"
#include "xattn/nn/activations.h"
#include "xattn/ops/group_norm.h"

namespace xattn {

/// `torch::nn::GroupNorm` and, if one is given, the activation that follows it:
/// y = activation((x - mean) / sqrt(var + eps) · weight + bias). With SiLU the two are one pass.
///
/// Shapes: `[B, num_channels, ...]`, kept; how the result lies in memory is said at `group_norm` of
/// `ops/group_norm.h`.
///
/// Reference: torch 2.13.0, torch/nn/modules/normalization.py, `GroupNorm`.
class XATTN_API GroupNormImpl : public torch::nn::Cloneable<GroupNormImpl> {
 public:
  GroupNormImpl(int64_t num_groups, int64_t num_channels)
      : GroupNormImpl(torch::nn::GroupNormOptions(num_groups, num_channels)) {}
  explicit GroupNormImpl(const torch::nn::GroupNormOptions& options_);

  void reset() override;

  /// Pretty prints the `GroupNorm` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  torch::Tensor forward(const torch::Tensor& input, Activation activation = nullptr);

  /// The same for an operator that norms as it reads, such as a `Conv2dFusion`; nothing where the
  /// activation is neither SiLU nor null.
  std::optional<GroupNormArguments> arguments(Activation activation = nullptr) const;

  /// The options with which this `Module` was constructed.
  torch::nn::GroupNormOptions options;

  /// Undefined without `affine`.
  torch::Tensor weight, bias;

 protected:
  FORWARD_HAS_DEFAULT_ARGS({1, torch::nn::AnyValue(Activation())})
};

/// A `ModuleHolder` subclass for `GroupNormImpl`.
TORCH_MODULE(GroupNorm);

}  // namespace xattn
