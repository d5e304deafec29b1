#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <ostream>
#include <vector>

#include "xattn/models/unet_2d_condition/text_context.h"
#include "xattn/models/unet_2d_condition/unet_2d_block_options.h"

namespace xattn {

/// A residual block, then `num_layers` times a transformer that reads the text and a residual
/// block.
///
/// Shapes: hidden_states `[B, in_channels, H, W]`, temb `[B, temb_channels]`, the text
/// `[B, T, cross_attention_dim]`; returns `[B, out_channels, H, W]`. Throws:
/// `ValueError` for numbers below 1 and as its parts do. Reference: diffusers 0.42.1,
/// models/unets/unet_2d_blocks.py, `UNetMidBlock2DCrossAttn`.
class UNetMidBlock2DCrossAttnImpl : public torch::nn::Cloneable<UNetMidBlock2DCrossAttnImpl> {
 public:
  explicit UNetMidBlock2DCrossAttnImpl(const UNet2DBlockOptions& options_);

  void reset() override;

  /// Pretty prints the `UNetMidBlock2DCrossAttn` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  torch::Tensor forward(const torch::Tensor& hidden_states, const torch::Tensor& temb,
                        TextContext& text);

  /// Adds what each cross attention layer prepares of a text, in the order in which they run.
  void prepare(const TextContext& text, AttentionPath path, std::vector<PreparedText>& prepared);

  /// The options with which this `Module` was constructed.
  UNet2DBlockOptions options;

  /// Of `Transformer2DModel`.
  torch::nn::ModuleList attentions = nullptr;
  /// Of `ResnetBlock2D`.
  torch::nn::ModuleList resnets = nullptr;
};

/// A `ModuleHolder` subclass for `UNetMidBlock2DCrossAttnImpl`.
TORCH_MODULE(UNetMidBlock2DCrossAttn);

}  // namespace xattn
