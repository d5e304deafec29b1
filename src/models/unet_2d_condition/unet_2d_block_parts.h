#pragma once

#include <torch/nn/modules/container/modulelist.h>

#include <cstdint>
#include <string>
#include <vector>

#include "xattn/models/unet_2d_condition/text_context.h"
#include "xattn/models/unet_2d_condition/unet_2d_block_options.h"
#include "xattn/nn/resnet_block_2d.h"

namespace xattn::unet_2d_block {

/// Checks the text that a module of class `place` is called with, if it is not a prepared one.
void check_text(const std::string& place, const TextContext& text, const torch::Tensor& weight);

/// Checks what a block of class `place` is called with; `first` is its first layer, which takes
/// `channels`.
void check_inputs(const std::string& place, const torch::Tensor& hidden_states, int64_t channels,
                  const torch::Tensor& temb, const TextContext& text,
                  const ResnetBlock2DImpl& first);

/// Makes the layers of a block whose class is `place`.
///
/// Throws: `ValueError` for numbers that no block can have.
struct Layers {
  Layers(const std::string& place, const UNetResnetOptions& options, int64_t out_channels);

  ResnetBlock2D resnet(int64_t in_channels) const;

  /// One for each layer, whose input has so many channels; layers without a number have
  /// `out_channels`.
  torch::nn::ModuleList resnets(const std::vector<int64_t>& in_channels) const;

  /// One `Transformer2DModel` for each layer.
  torch::nn::ModuleList attentions(const UNetTransformerOptions& transformers) const;

  std::string place;
  UNetResnetOptions options;
  int64_t out_channels;
};

}  // namespace xattn::unet_2d_block
