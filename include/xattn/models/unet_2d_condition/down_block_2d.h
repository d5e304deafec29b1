#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <ostream>
#include <vector>

#include "xattn/models/unet_2d_condition/unet_2d_block_options.h"

namespace xattn {

/// Residual blocks, and a step down in resolution.
///
/// Shapes: hidden_states `[B, in_channels, H, W]`, temb `[B, temb_channels]`; returns `[B,
/// out_channels, H/2, W/2]`. Throws: `ValueError` for numbers below 1 and as its parts do.
/// Reference: diffusers 0.42.1, models/unets/unet_2d_blocks.py, `DownBlock2D`.
class DownBlock2DImpl : public torch::nn::Cloneable<DownBlock2DImpl> {
 public:
  explicit DownBlock2DImpl(const UNet2DBlockOptions& options_);

  void reset() override;

  /// Pretty prints the `DownBlock2D` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  DownBlockOutput forward(const torch::Tensor& hidden_states, const torch::Tensor& temb);

  /// The options with which this `Module` was constructed.
  UNet2DBlockOptions options;

  /// Of `ResnetBlock2D`.
  torch::nn::ModuleList resnets = nullptr;
  /// One `Downsample2D`; null without `add_downsample`.
  torch::nn::ModuleList downsamplers = nullptr;
};

/// A `ModuleHolder` subclass for `DownBlock2DImpl`.
TORCH_MODULE(DownBlock2D);

}  // namespace xattn
