#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/modules/common.h>
#include <torch/nn/modules/normalization.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "xattn/core/export.h"
#include "xattn/models/unet_2d_condition/text_context.h"
#include "xattn/nn/attention.h"
#include "xattn/nn/feed_forward.h"

namespace xattn {

/// Options of `BasicTransformerBlock`.
struct BasicTransformerBlockOptions {
  BasicTransformerBlockOptions(int64_t dim, int64_t num_attention_heads, int64_t attention_head_dim)
      : dim_(dim),
        num_attention_heads_(num_attention_heads),
        attention_head_dim_(attention_head_dim) {}

  TORCH_ARG(int64_t, dim);
  TORCH_ARG(int64_t, num_attention_heads);
  TORCH_ARG(int64_t, attention_head_dim);
  TORCH_ARG(double, dropout) = 0.0;
  /// Width of the text; where not given, the block has no second attention.
  TORCH_ARG(std::optional<int64_t>, cross_attention_dim) = std::nullopt;
  /// As in `FeedForwardOptions`.
  TORCH_ARG(std::string, activation_fn) = "geglu";
  TORCH_ARG(bool, attention_bias) = false;
  /// Whether the first attention reads the text as well.
  TORCH_ARG(bool, only_cross_attention) = false;
  /// Whether the second attention has the width of the hidden states.
  TORCH_ARG(bool, double_self_attention) = false;
  TORCH_ARG(bool, norm_elementwise_affine) = true;
  TORCH_ARG(double, norm_eps) = 1e-5;
  TORCH_ARG(bool, final_dropout) = false;
  TORCH_ARG(std::optional<int64_t>, ff_inner_dim) = std::nullopt;
  TORCH_ARG(bool, ff_bias) = true;
  TORCH_ARG(bool, attention_out_bias) = true;
};

/// Self attention, attention to the text, and a feed-forward layer, each added to what came in.
///
/// x ← x + attn1(norm1(x)); x ← x + attn2(norm2(x), text); x ← x + ff(norm3(x)).
///
/// Shapes: hidden_states `[B, N, dim]`, returns the same; the text has
/// `[B, T, cross_attention_dim]`.
///
/// Throws: `ValueError` as its parts do.
///
/// Reference: diffusers 0.42.1, models/attention.py, `BasicTransformerBlock` with `norm_type`
/// "layer_norm".
class XATTN_API BasicTransformerBlockImpl : public torch::nn::Cloneable<BasicTransformerBlockImpl> {
 public:
  explicit BasicTransformerBlockImpl(const BasicTransformerBlockOptions& options_);

  void reset() override;

  /// Pretty prints the `BasicTransformerBlock` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  torch::Tensor forward(const torch::Tensor& hidden_states, const TextContext& text = {});

  /// A layer that reads the text, and the mask that it reads it with.
  struct CrossAttentionLayer {
    std::string name;
    Attention attention;
    std::optional<torch::Tensor> mask;
  };

  /// The layers that read the text, in the order in which they run.
  std::vector<CrossAttentionLayer> cross_attentions(const TextContext& text) const;

  /// The options with which this `Module` was constructed.
  BasicTransformerBlockOptions options;

  torch::nn::LayerNorm norm1 = nullptr;
  Attention attn1 = nullptr;
  /// Null without second attention, as `attn2` is.
  torch::nn::LayerNorm norm2 = nullptr;
  Attention attn2 = nullptr;
  torch::nn::LayerNorm norm3 = nullptr;
  FeedForward ff = nullptr;

 protected:
  FORWARD_HAS_DEFAULT_ARGS({1, torch::nn::AnyValue(TextContext())})
};

/// A `ModuleHolder` subclass for `BasicTransformerBlockImpl`.
TORCH_MODULE(BasicTransformerBlock);

}  // namespace xattn
