#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/modules/common.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <ostream>

#include "xattn/core/export.h"
#include "xattn/nn/group_norm.h"
#include "xattn/nn/linear.h"
#include "xattn/ops/cross_attention.h"

namespace xattn {

/// Options of `Attention`.
struct AttentionOptions {
  AttentionOptions(int64_t query_dim) : query_dim_(query_dim) {}  // NOLINT: as LibTorch's options

  /// Width C of the hidden states.
  TORCH_ARG(int64_t, query_dim);
  /// Width S of the text; where not given, C.
  TORCH_ARG(std::optional<int64_t>, cross_attention_dim) = std::nullopt;
  TORCH_ARG(int64_t, heads) = 8;
  /// Width of each head.
  TORCH_ARG(int64_t, dim_head) = 64;
  TORCH_ARG(double, dropout) = 0.0;
  /// Whether queries, keys and values have a bias.
  TORCH_ARG(bool, bias) = false;
  TORCH_ARG(bool, out_bias) = true;
  /// Groups of the normalisation before everything else; where not given, there is none.
  TORCH_ARG(std::optional<int64_t>, norm_num_groups) = std::nullopt;
  TORCH_ARG(double, eps) = 1e-5;
  /// What the output is divided by.
  TORCH_ARG(double, rescale_output_factor) = 1.0;
  TORCH_ARG(bool, residual_connection) = false;
  /// How the attention is computed; the numbers are the same but for rounding.
  TORCH_ARG(AttentionPath, path) = AttentionPath::kAuto;
};

/// Attention of image tokens to a text or, without one, to themselves.
///
/// out = (to_out(softmax(q kᵀ / √dim_head + mask) v) + residual) / rescale_output_factor;
/// q = to_q(norm(x)), k = to_k(text), v = to_v(text), the text without one being norm(x).
///
/// Shapes: hidden_states `[B, N, C]`, or `[B, C, H, W]` with N = H·W; encoder_hidden_states
/// `[B, T, S]`; attention_mask `[B, 1, T]`, added to the scores; returns what hidden_states have.
///
/// Dtype and device: any floating-point dtype and any device, the same for inputs and weights;
/// under autocast, any floating-point input.
///
/// Throws: `ValueError` for heads or widths below 1, for inputs of another shape, dtype or device,
/// and for a prepared text of another module, or prepared before its weights changed.
///
/// Reference: diffusers 0.42.1, models/attention_processor.py, `Attention`.
class XATTN_API AttentionImpl : public torch::nn::Cloneable<AttentionImpl> {
 public:
  explicit AttentionImpl(int64_t query_dim) : AttentionImpl(AttentionOptions(query_dim)) {}
  explicit AttentionImpl(const AttentionOptions& options_);

  void reset() override;

  /// Pretty prints the `Attention` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  torch::Tensor forward(const torch::Tensor& hidden_states,
                        const std::optional<torch::Tensor>& encoder_hidden_states = std::nullopt,
                        const std::optional<torch::Tensor>& attention_mask = std::nullopt);

  /// Computes what depends on the text alone, by `path` or, where that is not given, by the
  /// options'.
  PreparedText prepare(const torch::Tensor& encoder_hidden_states,
                       const std::optional<torch::Tensor>& attention_mask = std::nullopt,
                       std::optional<AttentionPath> path = std::nullopt);

  /// `forward` with a prepared text in place of the text; one text serves any number of images.
  torch::Tensor forward_prepared(const torch::Tensor& hidden_states, const PreparedText& text);

  /// The attention weights `[B, H, N, T]` behind `forward_prepared`'s output.
  torch::Tensor attention_weights(const torch::Tensor& hidden_states, const PreparedText& text);

  /// The projections' weights, for the functions of `ops/cross_attention.h`.
  CrossAttentionWeights weights() const;

  /// The options with which this `Module` was constructed.
  AttentionOptions options;

  /// Null without `norm_num_groups`.
  GroupNorm group_norm = nullptr;
  Linear to_q = nullptr, to_k = nullptr, to_v = nullptr;
  /// The output projection and the dropout.
  torch::nn::ModuleList to_out = nullptr;

 private:
  PreparedText prepare_for(const torch::Tensor& states,
                           const std::optional<torch::Tensor>& attention_mask, AttentionPath path,
                           std::optional<int64_t> image_tokens);
  /// `[B, 1, 1, T]`, checked.
  std::optional<torch::Tensor> mask_of(const std::optional<torch::Tensor>& attention_mask,
                                       const torch::Tensor& states) const;
  void check_states(const torch::Tensor& hidden_states) const;
  void check_image(const torch::Tensor& hidden_states, const PreparedText& text) const;
  /// Tokens `[B, N, C]`, normalised.
  torch::Tensor tokens_of(const torch::Tensor& hidden_states);
  torch::Tensor finish(const torch::Tensor& attended, const torch::Tensor& hidden_states);

 protected:
  FORWARD_HAS_DEFAULT_ARGS({1, torch::nn::AnyValue(std::optional<torch::Tensor>())},
                           {2, torch::nn::AnyValue(std::optional<torch::Tensor>())})
};

/// A `ModuleHolder` subclass for `AttentionImpl`.
TORCH_MODULE(Attention);

}  // namespace xattn
