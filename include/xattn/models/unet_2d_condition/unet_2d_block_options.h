#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace xattn {

/// Options of the UNet's blocks: each reads those that its Python original has as arguments.
struct UNet2DBlockOptions {
  UNet2DBlockOptions(int64_t in_channels, int64_t out_channels, int64_t temb_channels)
      : in_channels_(in_channels), out_channels_(out_channels), temb_channels_(temb_channels) {}

  /// Channels of the input; of blocks that go up, those of the last residual.
  TORCH_ARG(int64_t, in_channels);
  TORCH_ARG(int64_t, out_channels);
  /// Width of the time embedding.
  TORCH_ARG(int64_t, temb_channels);
  /// Channels of the input of blocks that go up.
  TORCH_ARG(int64_t, prev_output_channel) = 0;
  TORCH_ARG(double, dropout) = 0.0;
  TORCH_ARG(int64_t, num_layers) = 1;
  /// Transformer blocks of each layer; one number stands for every layer.
  TORCH_ARG(std::vector<int64_t>, transformer_layers_per_block) = {1};
  TORCH_ARG(double, resnet_eps) = 1e-6;
  TORCH_ARG(std::string, resnet_time_scale_shift) = "default";
  TORCH_ARG(std::string, resnet_act_fn) = "swish";
  TORCH_ARG(int64_t, resnet_groups) = 32;
  TORCH_ARG(int64_t, num_attention_heads) = 1;
  /// Width of the text.
  TORCH_ARG(int64_t, cross_attention_dim) = 1280;
  TORCH_ARG(double, output_scale_factor) = 1.0;
  TORCH_ARG(int64_t, downsample_padding) = 1;
  TORCH_ARG(bool, add_downsample) = true;
  TORCH_ARG(bool, add_upsample) = true;
  TORCH_ARG(bool, use_linear_projection) = false;
  TORCH_ARG(bool, only_cross_attention) = false;
};

/// What a block that goes down returns.
struct DownBlockOutput {
  torch::Tensor hidden_states;
  /// One for each layer, and the downsampled: the residuals of the way up.
  std::vector<torch::Tensor> output_states;
};

}  // namespace xattn
