#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <ostream>
#include <vector>

#include "xattn/models/unet_2d_condition/text_context.h"
#include "xattn/models/unet_2d_condition/unet_2d_block_options.h"

namespace xattn {

/// As `UpBlock2D`, each residual block followed by a transformer that reads the text.
///
/// Shapes: as `UpBlock2D`'s, and the text `[B, T, cross_attention_dim]`. Throws:
/// `ValueError` for numbers below 1 and as its parts do. Reference: diffusers 0.42.1,
/// models/unets/unet_2d_blocks.py, `CrossAttnUpBlock2D`.
class CrossAttnUpBlock2DImpl : public torch::nn::Cloneable<CrossAttnUpBlock2DImpl> {
 public:
  explicit CrossAttnUpBlock2DImpl(const UNet2DBlockOptions& options_);

  void reset() override;

  /// Pretty prints the `CrossAttnUpBlock2D` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  torch::Tensor forward(const torch::Tensor& hidden_states,
                        std::vector<torch::Tensor> res_hidden_states_tuple,
                        const torch::Tensor& temb, TextContext& text,
                        const std::optional<std::array<int64_t, 2>>& upsample_size = std::nullopt);

  /// Adds what each cross attention layer prepares of a text, in the order in which they run.
  void prepare(const TextContext& text, AttentionPath path, std::vector<PreparedText>& prepared);

  /// The options with which this `Module` was constructed.
  UNet2DBlockOptions options;

  /// Of `Transformer2DModel`.
  torch::nn::ModuleList attentions = nullptr;
  /// Of `ResnetBlock2D`.
  torch::nn::ModuleList resnets = nullptr;
  /// One `Upsample2D`; null without `add_upsample`.
  torch::nn::ModuleList upsamplers = nullptr;
};

/// A `ModuleHolder` subclass for `CrossAttnUpBlock2DImpl`.
TORCH_MODULE(CrossAttnUpBlock2D);

}  // namespace xattn
