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

/// Residual blocks, each followed by a transformer that reads the text, and a step down in
/// resolution.
///
/// Shapes: hidden_states `[B, in_channels, H, W]`, temb `[B, temb_channels]`, the text `[B, T,
/// cross_attention_dim]`; returns `[B, out_channels, H/2, W/2]`. `additional_residuals` is added to
/// the last layer's output. /// Throws: `ValueError` for numbers below 1 and as its parts do.
/// Reference: diffusers 0.42.1, models/unets/unet_2d_blocks.py, `CrossAttnDownBlock2D`.
class CrossAttnDownBlock2DImpl : public torch::nn::Cloneable<CrossAttnDownBlock2DImpl> {
 public:
  explicit CrossAttnDownBlock2DImpl(const UNet2DBlockOptions& options_);

  void reset() override;

  /// Pretty prints the `CrossAttnDownBlock2D` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  DownBlockOutput forward(const torch::Tensor& hidden_states, const torch::Tensor& temb,
                          TextContext& text, const torch::Tensor& additional_residuals = {});

  /// Adds what each cross attention layer prepares of a text, in the order in which they run.
  void prepare(const TextContext& text, AttentionPath path, std::vector<PreparedText>& prepared);

  /// The options with which this `Module` was constructed.
  UNet2DBlockOptions options;

  /// Of `Transformer2DModel`.
  torch::nn::ModuleList attentions = nullptr;
  /// Of `ResnetBlock2D`.
  torch::nn::ModuleList resnets = nullptr;
  /// One `Downsample2D`; null without `add_downsample`.
  torch::nn::ModuleList downsamplers = nullptr;
};

/// A `ModuleHolder` subclass for `CrossAttnDownBlock2DImpl`.
TORCH_MODULE(CrossAttnDownBlock2D);

}  // namespace xattn
