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

#include "xattn/models/unet_2d_condition/unet_2d_block_options.h"

namespace xattn {

/// Residual blocks, each of which takes a residual of the way down, and a step up in resolution.
///
/// Shapes: hidden_states `[B, prev_output_channel, H, W]`, residuals `[B, C, H, W]`, of which the
/// last is taken first (C is out_channels, and in_channels for the one taken last), temb `[B,
/// temb_channels]`; returns `[B, out_channels, 2H, 2W]`, or of `upsample_size`. Throws:
/// `ValueError` for numbers below 1 and as its parts do. Reference: diffusers 0.42.1,
/// models/unets/unet_2d_blocks.py, `UpBlock2D`.
class UpBlock2DImpl : public torch::nn::Cloneable<UpBlock2DImpl> {
 public:
  explicit UpBlock2DImpl(const UNet2DBlockOptions& options_);

  void reset() override;

  /// Pretty prints the `UpBlock2D` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  torch::Tensor forward(const torch::Tensor& hidden_states,
                        std::vector<torch::Tensor> res_hidden_states_tuple,
                        const torch::Tensor& temb,
                        const std::optional<std::array<int64_t, 2>>& upsample_size = std::nullopt);

  /// The options with which this `Module` was constructed.
  UNet2DBlockOptions options;

  /// Of `ResnetBlock2D`.
  torch::nn::ModuleList resnets = nullptr;
  /// One `Upsample2D`; null without `add_upsample`.
  torch::nn::ModuleList upsamplers = nullptr;
};

/// A `ModuleHolder` subclass for `UpBlock2DImpl`.
TORCH_MODULE(UpBlock2D);

}  // namespace xattn
