#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/modules/common.h>
#include <torch/nn/modules/normalization.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <ostream>

#include "xattn/core/export.h"
#include "xattn/models/clip/clip_attention.h"
#include "xattn/models/clip/clip_mlp.h"

namespace xattn {

/// Options of `CLIPEncoderLayer`.
struct CLIPEncoderLayerOptions {
  CLIPEncoderLayerOptions(int64_t hidden_size, int64_t intermediate_size,
                          int64_t num_attention_heads)
      : hidden_size_(hidden_size),
        intermediate_size_(intermediate_size),
        num_attention_heads_(num_attention_heads) {}

  TORCH_ARG(int64_t, hidden_size);
  TORCH_ARG(int64_t, intermediate_size);
  TORCH_ARG(int64_t, num_attention_heads);
  TORCH_ARG(CLIPActivation, hidden_act) = CLIPActivation::kQuickGelu;
  TORCH_ARG(double, layer_norm_eps) = 1e-5;
  TORCH_ARG(double, attention_dropout) = 0;
};

/// A layer of CLIP's text encoder: h = x + self_attn(layer_norm1(x)), out = h +
/// mlp(layer_norm2(h)).
///
/// Shapes, mask and errors: those of `CLIPAttention`.
///
/// Reference: transformers 5.23.0, models/clip/modeling_clip.py, `CLIPEncoderLayer`.
class XATTN_API CLIPEncoderLayerImpl : public torch::nn::Cloneable<CLIPEncoderLayerImpl> {
 public:
  explicit CLIPEncoderLayerImpl(const CLIPEncoderLayerOptions& options_);

  void reset() override;

  /// Pretty prints the `CLIPEncoderLayer` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  torch::Tensor forward(const torch::Tensor& hidden_states,
                        const std::optional<torch::Tensor>& attention_mask = std::nullopt);

  /// The options with which this `Module` was constructed.
  CLIPEncoderLayerOptions options;

  CLIPAttention self_attn = nullptr;
  torch::nn::LayerNorm layer_norm1 = nullptr;
  CLIPMLP mlp = nullptr;
  torch::nn::LayerNorm layer_norm2 = nullptr;

 protected:
  FORWARD_HAS_DEFAULT_ARGS({1, torch::nn::AnyValue(std::optional<torch::Tensor>())})
};

/// A `ModuleHolder` subclass for `CLIPEncoderLayerImpl`.
TORCH_MODULE(CLIPEncoderLayer);

}  // namespace xattn
