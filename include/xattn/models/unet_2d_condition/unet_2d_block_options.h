#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace xattn {

/// Options of the residual blocks in a block of the UNet.
struct UNetResnetOptions {
  UNetResnetOptions(int64_t temb_channels)  // NOLINT: as LibTorch's options
      : temb_channels_(temb_channels) {}

  /// Width of the time embedding.
  TORCH_ARG(int64_t, temb_channels);
  /// How many residual blocks: the block's layers.
  TORCH_ARG(int64_t, num_layers) = 1;
  TORCH_ARG(double, dropout) = 0.0;
  TORCH_ARG(double, resnet_eps) = 1e-6;
  TORCH_ARG(std::string, resnet_time_scale_shift) = "default";
  TORCH_ARG(std::string, resnet_act_fn) = "swish";
  TORCH_ARG(int64_t, resnet_groups) = 32;
  TORCH_ARG(double, output_scale_factor) = 1.0;
};

/// Options of the transformers, one for each layer, in a block of the UNet that reads the text.
struct UNetTransformerOptions {
  TORCH_ARG(int64_t, num_attention_heads) = 1;
  /// Width of the text.
  TORCH_ARG(int64_t, cross_attention_dim) = 1280;
  /// Transformer blocks of each layer; one number stands for every layer.
  TORCH_ARG(std::vector<int64_t>, transformer_layers_per_block) = {1};
  TORCH_ARG(bool, use_linear_projection) = false;
  TORCH_ARG(bool, only_cross_attention) = false;
};

}  // namespace xattn
