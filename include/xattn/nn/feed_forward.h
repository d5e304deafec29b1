#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>

#include "xattn/core/export.h"

namespace xattn {

/// Options of `FeedForward`.
struct FeedForwardOptions {
  FeedForwardOptions(int64_t dim) : dim_(dim) {}  // NOLINT: as LibTorch's options

  TORCH_ARG(int64_t, dim);
  /// Where not given, `dim`.
  TORCH_ARG(std::optional<int64_t>, dim_out) = std::nullopt;
  /// The width inside is dim · mult.
  TORCH_ARG(int64_t, mult) = 4;
  TORCH_ARG(double, dropout) = 0.0;
  /// "geglu", "gelu" or "gelu-approximate".
  TORCH_ARG(std::string, activation_fn) = "geglu";
  /// A dropout of the output as well.
  TORCH_ARG(bool, final_dropout) = false;
  /// The width inside, in place of dim · mult.
  TORCH_ARG(std::optional<int64_t>, inner_dim) = std::nullopt;
  TORCH_ARG(bool, bias) = true;
};

/// y = net.2(activation(x)), the activation with a projection of its own (`GEGLU`, `GELU`).
///
/// Shapes: `[..., dim]` to `[..., dim_out]`.
///
/// Throws: `ValueError` for another `activation_fn`.
///
/// Reference: diffusers 0.42.1, models/attention.py, `FeedForward`.
class XATTN_API FeedForwardImpl : public torch::nn::Cloneable<FeedForwardImpl> {
 public:
  explicit FeedForwardImpl(const FeedForwardOptions& options_);

  void reset() override;

  /// Pretty prints the `FeedForward` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  torch::Tensor forward(const torch::Tensor& hidden_states);

  /// The options with which this `Module` was constructed.
  FeedForwardOptions options;

  /// The activation, the dropout, the projection and, with `final_dropout`, another dropout.
  torch::nn::ModuleList net = nullptr;
};

/// A `ModuleHolder` subclass for `FeedForwardImpl`.
TORCH_MODULE(FeedForward);

}  // namespace xattn
