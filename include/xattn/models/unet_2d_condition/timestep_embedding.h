#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/modules/common.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>

#include "xattn/core/export.h"
#include "xattn/nn/activations.h"
#include "xattn/nn/linear.h"

namespace xattn {

/// Options of `TimestepEmbedding`.
struct TimestepEmbeddingOptions {
  TimestepEmbeddingOptions(int64_t in_channels, int64_t time_embed_dim)
      : in_channels_(in_channels), time_embed_dim_(time_embed_dim) {}

  TORCH_ARG(int64_t, in_channels);
  TORCH_ARG(int64_t, time_embed_dim);
  TORCH_ARG(std::string, act_fn) = "silu";
  /// Where not given, `time_embed_dim`.
  TORCH_ARG(std::optional<int64_t>, out_dim) = std::nullopt;
  /// An activation of the output; where not given, there is none.
  TORCH_ARG(std::optional<std::string>, post_act_fn) = std::nullopt;
  /// Width of the condition; where not given, there is none.
  TORCH_ARG(std::optional<int64_t>, cond_proj_dim) = std::nullopt;
  /// Whether `linear_1` and `linear_2` have a bias.
  TORCH_ARG(bool, sample_proj_bias) = true;
};

/// y = post_act(linear_2(act(linear_1(sample + cond_proj(condition))))).
///
/// Shapes: sample `[B, in_channels]`, condition `[B, cond_proj_dim]`; returns `[B, out_dim]`.
///
/// Dtype and device: any floating-point dtype and any device, the same for inputs and weights.
///
/// Throws: `ValueError` for unknown activations, a condition without `cond_proj_dim`, and inputs of
/// another shape, dtype or device.
///
/// Reference: diffusers 0.42.1, models/embeddings.py, `TimestepEmbedding`.
class XATTN_API TimestepEmbeddingImpl : public torch::nn::Cloneable<TimestepEmbeddingImpl> {
 public:
  explicit TimestepEmbeddingImpl(const TimestepEmbeddingOptions& options_);

  void reset() override;

  /// Pretty prints the `TimestepEmbedding` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  torch::Tensor forward(const torch::Tensor& sample,
                        const std::optional<torch::Tensor>& condition = std::nullopt);

  /// The options with which this `Module` was constructed.
  TimestepEmbeddingOptions options;

  Linear linear_1 = nullptr;
  /// Null without `cond_proj_dim`.
  Linear cond_proj = nullptr;
  Linear linear_2 = nullptr;

 private:
  Activation act_ = nullptr, post_act_ = nullptr;

 protected:
  FORWARD_HAS_DEFAULT_ARGS({1, torch::nn::AnyValue(std::optional<torch::Tensor>())})
};

/// A `ModuleHolder` subclass for `TimestepEmbeddingImpl`.
TORCH_MODULE(TimestepEmbedding);

}  // namespace xattn
