#pragma once

#include <torch/nn/modules/container/modulelist.h>

#include <cstdint>
#include <string>
#include <vector>

#include "xattn/models/unet_2d_condition/text_context.h"
#include "xattn/models/unet_2d_condition/unet_2d_block_options.h"

namespace xattn::unet_2d_block {

/// Throws `ValueError` for numbers that no block of class `place` can have.
void check_options(const char* place, const UNet2DBlockOptions& options, bool has_attention);

/// `num_layers` of `ResnetBlock2D`, the first with `in_channels`.
torch::nn::ModuleList down_resnets(const UNet2DBlockOptions& options);
/// Those of a block that goes up, each of which takes a residual.
torch::nn::ModuleList up_resnets(const UNet2DBlockOptions& options);
/// One `Transformer2DModel` for each layer.
torch::nn::ModuleList attentions(const char* place, const UNet2DBlockOptions& options);
/// A list of one.
torch::nn::ModuleList downsamplers(const UNet2DBlockOptions& options);
torch::nn::ModuleList upsamplers(const UNet2DBlockOptions& options);

/// Calls `prepare` of each `Transformer2DModel` in the list.
void prepare(const torch::nn::ModuleList& attentions, const TextContext& text, AttentionPath path,
             std::vector<PreparedText>& prepared);

/// "in_channels=4, out_channels=8, num_layers=1".
std::string describe(const UNet2DBlockOptions& options);

/// The hidden states beside the last of the residuals, which is taken off the list.
torch::Tensor with_residual(const char* place, const torch::Tensor& hidden_states,
                            std::vector<torch::Tensor>& residuals);

}  // namespace xattn::unet_2d_block
