#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/modules/common.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <ostream>

#include "xattn/core/export.h"
#include "xattn/nn/linear.h"

namespace xattn {

/// Options of `CLIPAttention`.
struct CLIPAttentionOptions {
  CLIPAttentionOptions(int64_t hidden_size, int64_t num_attention_heads)
      : hidden_size_(hidden_size), num_attention_heads_(num_attention_heads) {}

  /// Width E; a multiple of `num_attention_heads`.
  TORCH_ARG(int64_t, hidden_size);
  TORCH_ARG(int64_t, num_attention_heads);
  /// The part of attention weights dropped in training.
  TORCH_ARG(double, attention_dropout) = 0;
};

/// Lets every token look at itself and the tokens before it: the text encoder's self attention.
///
/// out = out_proj(softmax(q kᵀ / √(E/heads) + mask) v), per head, heads merged; q, k and v are
/// q_proj, k_proj and v_proj of the hidden states.
///
/// Shapes: hidden_states `[B, T, E]`; attention_mask boolean, broadcastable to `[B, heads, T, T]`,
/// true where a token may look, which then replaces the causal mask; returns `[B, T, E]`. A token
/// that may look at nothing gets `out_proj`'s bias.
///
/// Throws: `ValueError` for sizes below 1 or not divisible, and for hidden states of another shape,
/// dtype or device.
///
/// Reference: transformers 5.23.0, models/clip/modeling_clip.py, `CLIPAttention`, with
/// `is_causal=True` and "sdpa", as `CLIPTextModel` calls it.
class XATTN_API CLIPAttentionImpl : public torch::nn::Cloneable<CLIPAttentionImpl> {
 public:
  explicit CLIPAttentionImpl(const CLIPAttentionOptions& options_);

  void reset() override;

  /// Pretty prints the `CLIPAttention` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  torch::Tensor forward(const torch::Tensor& hidden_states,
                        const std::optional<torch::Tensor>& attention_mask = std::nullopt);

  /// The options with which this `Module` was constructed.
  CLIPAttentionOptions options;

  Linear k_proj = nullptr;
  Linear v_proj = nullptr;
  Linear q_proj = nullptr;
  Linear out_proj = nullptr;

 protected:
  FORWARD_HAS_DEFAULT_ARGS({1, torch::nn::AnyValue(std::optional<torch::Tensor>())})
};

/// A `ModuleHolder` subclass for `CLIPAttentionImpl`.
TORCH_MODULE(CLIPAttention);

}  // namespace xattn
