#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/modules/common.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <ostream>
#include <vector>

#include "xattn/core/export.h"
#include "xattn/models/clip/clip_encoder_layer.h"
#include "xattn/nn/gradient_checkpoint.h"

namespace xattn {

/// Options of `CLIPEncoder`.
struct CLIPEncoderOptions {
  CLIPEncoderOptions(int64_t num_hidden_layers, const CLIPEncoderLayerOptions& layer)
      : num_hidden_layers_(num_hidden_layers), layer_(layer) {}

  TORCH_ARG(int64_t, num_hidden_layers);
  /// Of every layer.
  TORCH_ARG(CLIPEncoderLayerOptions, layer);
};

/// The layers of CLIP's text encoder, one after another.
///
/// Shapes, mask and errors: those of `CLIPAttention`.
///
/// Throws besides: `ValueError` for num_hidden_layers below 0.
///
/// Reference: transformers 5.23.0, models/clip/modeling_clip.py, `CLIPEncoder`.
class XATTN_API CLIPEncoderImpl : public torch::nn::Cloneable<CLIPEncoderImpl>,
                                  public GradientCheckpointing {
 public:
  explicit CLIPEncoderImpl(const CLIPEncoderOptions& options_);

  void reset() override;

  /// Pretty prints the `CLIPEncoder` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  /// The last layer's output; `hidden_states`, where given, receives the input and every layer's
  /// output.
  torch::Tensor forward(const torch::Tensor& inputs_embeds,
                        const std::optional<torch::Tensor>& attention_mask = std::nullopt,
                        std::vector<torch::Tensor>* hidden_states = nullptr);

  /// The options with which this `Module` was constructed.
  CLIPEncoderOptions options;

  /// Of `CLIPEncoderLayer`.
  torch::nn::ModuleList layers = nullptr;

 protected:
  FORWARD_HAS_DEFAULT_ARGS({1, torch::nn::AnyValue(std::optional<torch::Tensor>())},
                           {2,
                            torch::nn::AnyValue(static_cast<std::vector<torch::Tensor>*>(nullptr))})
};

/// A `ModuleHolder` subclass for `CLIPEncoderImpl`.
TORCH_MODULE(CLIPEncoder);

}  // namespace xattn
