#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/modules/common.h>
#include <torch/nn/modules/normalization.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <optional>
#include <ostream>
#include <vector>

#include "xattn/core/export.h"
#include "xattn/models/clip/clip_encoder.h"
#include "xattn/models/clip/clip_text_config.h"
#include "xattn/models/clip/clip_text_embeddings.h"

namespace xattn {

/// What is asked of a text encoder beside its output.
struct CLIPTextForwardOptions {
  /// Of every token; 0…T−1 where none are given.
  std::optional<torch::Tensor> position_ids;
  /// Whether `hidden_states` is wanted.
  bool output_hidden_states = false;
};

/// What a text encoder computes.
struct CLIPTextOutput {
  /// `[B, T, E]`: the last layer's output, through the final norm.
  torch::Tensor last_hidden_state;
  /// `[B, E]`: of it, the token at the end of the text.
  torch::Tensor pooler_output;
  /// The embeddings and every layer's output, before the final norm; clip-skip 1 is the one before
  /// the last.
  std::vector<torch::Tensor> hidden_states;
  /// `[B, projection_dim]`, of `CLIPTextModelWithProjection`: the pooled output, projected.
  torch::Tensor text_embeds;
};

/// CLIP's text encoder: embeddings, the layers of `CLIPEncoder` under a causal mask, a final norm.
///
/// Shapes: input_ids `[B, T]`; attention_mask `[B, T]`, not zero where a token may be looked at;
/// returns `CLIPTextOutput`.
///
/// The pooled output is at the first eos_token_id, or at the first token where there is none; where
/// eos_token_id is 2, at the largest id.
///
/// Dtype: ids are int64 or int32, the mask is of any.
///
/// Throws: `ValueError` for a config that the blocks refuse, for a text that is empty or longer
/// than max_position_embeddings, for ids outside the vocabulary, and for a mask of another shape.
///
/// Reference: transformers 5.23.0, models/clip/modeling_clip.py, `CLIPTextModel`; version 4 and the
/// hub's keys call it `CLIPTextTransformer`.
class XATTN_API CLIPTextTransformerImpl : public torch::nn::Cloneable<CLIPTextTransformerImpl> {
 public:
  explicit CLIPTextTransformerImpl(const CLIPTextConfig& config_);

  void reset() override;

  /// Pretty prints the `CLIPTextTransformer` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  CLIPTextOutput forward(const torch::Tensor& input_ids,
                         const std::optional<torch::Tensor>& attention_mask = std::nullopt,
                         const CLIPTextForwardOptions& forward_options = {});

  /// The config with which this `Module` was constructed.
  CLIPTextConfig config;

  CLIPTextEmbeddings embeddings = nullptr;
  CLIPEncoder encoder = nullptr;
  torch::nn::LayerNorm final_layer_norm = nullptr;

 protected:
  FORWARD_HAS_DEFAULT_ARGS({1, torch::nn::AnyValue(std::optional<torch::Tensor>())},
                           {2, torch::nn::AnyValue(CLIPTextForwardOptions())})
};

/// A `ModuleHolder` subclass for `CLIPTextTransformerImpl`.
TORCH_MODULE(CLIPTextTransformer);

}  // namespace xattn
