#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/modules/common.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <ostream>
#include <utility>
#include <vector>

#include "xattn/core/export.h"
#include "xattn/models/unet_2d_condition/text_context.h"
#include "xattn/models/unet_2d_condition/unet_2d_block_options.h"
#include "xattn/nn/gradient_checkpoint.h"

namespace xattn {

/// Options of `UpBlock2D` and `CrossAttnUpBlock2D`.
struct UpBlock2DOptions {
  UpBlock2DOptions(int64_t in_channels, int64_t prev_output_channel, int64_t out_channels,
                   UNetResnetOptions resnets)
      : in_channels_(in_channels),
        prev_output_channel_(prev_output_channel),
        out_channels_(out_channels),
        resnets_(std::move(resnets)) {}

  /// Channels of the residual that is taken last.
  TORCH_ARG(int64_t, in_channels);
  /// Channels of the hidden states.
  TORCH_ARG(int64_t, prev_output_channel);
  TORCH_ARG(int64_t, out_channels);
  TORCH_ARG(UNetResnetOptions, resnets);
  TORCH_ARG(bool, add_upsample) = true;
};

/// Residual blocks, each of which takes a residual of the way down, each followed by a transformer
/// that reads the text if the block has these, and a step up in resolution.
///
/// Shapes: hidden_states `[B, prev_output_channel, H, W]`; residuals `[B, C, H, W]`, of which the
/// last is taken first (C is out_channels, and in_channels for the one taken last); temb
/// `[B, temb_channels]`; the text `[B, T, cross_attention_dim]`; returns `[B, out_channels, 2H,
/// 2W]`, or of `upsample_size`.
///
/// Throws: `ValueError` for numbers below 1 and as its parts do.
///
/// Reference: diffusers 0.42.1, models/unets/unet_2d_blocks.py, `UpBlock2D` and
/// `CrossAttnUpBlock2D`.
class XATTN_API UNetUpBlock2DImpl : public torch::nn::Cloneable<UNetUpBlock2DImpl>,
                                    public GradientCheckpointing {
 public:
  /// `UpBlock2D`, or with transformers `CrossAttnUpBlock2D`.
  explicit UNetUpBlock2DImpl(
      const UpBlock2DOptions& options_,
      const std::optional<UNetTransformerOptions>& transformers_ = std::nullopt);

  void reset() override;

  /// Pretty prints the module, under its Python class's name, into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  torch::Tensor forward(const torch::Tensor& hidden_states,
                        std::vector<torch::Tensor> res_hidden_states_tuple,
                        const torch::Tensor& temb, const TextContext& text = {},
                        const std::optional<std::array<int64_t, 2>>& upsample_size = std::nullopt);

  /// The options with which this `Module` was constructed.
  UpBlock2DOptions options;
  std::optional<UNetTransformerOptions> transformers;

  /// Of `Transformer2DModel`; null without transformers.
  torch::nn::ModuleList attentions = nullptr;
  /// Of `ResnetBlock2D`.
  torch::nn::ModuleList resnets = nullptr;
  /// One `Upsample2D`; null without `add_upsample`.
  torch::nn::ModuleList upsamplers = nullptr;

 protected:
  FORWARD_HAS_DEFAULT_ARGS({3, torch::nn::AnyValue(TextContext())},
                           {4, torch::nn::AnyValue(std::optional<std::array<int64_t, 2>>())})
};

/// `UNetUpBlock2D` without transformers, under its Python class's name.
class UpBlock2D : public torch::nn::ModuleHolder<UNetUpBlock2DImpl> {
 public:
  using torch::nn::ModuleHolder<UNetUpBlock2DImpl>::ModuleHolder;
  explicit UpBlock2D(const UpBlock2DOptions& options)
      : ModuleHolder(std::make_shared<UNetUpBlock2DImpl>(options)) {}
};

/// `UNetUpBlock2D` with transformers, under its Python class's name.
class CrossAttnUpBlock2D : public torch::nn::ModuleHolder<UNetUpBlock2DImpl> {
 public:
  using torch::nn::ModuleHolder<UNetUpBlock2DImpl>::ModuleHolder;
  CrossAttnUpBlock2D(const UpBlock2DOptions& options, const UNetTransformerOptions& transformers)
      : ModuleHolder(std::make_shared<UNetUpBlock2DImpl>(options, transformers)) {}
};

}  // namespace xattn
