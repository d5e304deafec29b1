#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/modules/common.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

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

/// Options of `DownBlock2D` and `CrossAttnDownBlock2D`.
struct DownBlock2DOptions {
  DownBlock2DOptions(int64_t in_channels, int64_t out_channels, UNetResnetOptions resnets)
      : in_channels_(in_channels), out_channels_(out_channels), resnets_(std::move(resnets)) {}

  TORCH_ARG(int64_t, in_channels);
  TORCH_ARG(int64_t, out_channels);
  TORCH_ARG(UNetResnetOptions, resnets);
  TORCH_ARG(bool, add_downsample) = true;
  TORCH_ARG(int64_t, downsample_padding) = 1;
};

/// What a block that goes down returns.
struct DownBlockOutput {
  torch::Tensor hidden_states;
  /// One for each layer, and the downsampled: the residuals of the way up.
  std::vector<torch::Tensor> output_states;
};

/// Residual blocks, each followed by a transformer that reads the text if the block has these, and
/// a step down in resolution.
///
/// Shapes: hidden_states `[B, in_channels, H, W]`, temb `[B, temb_channels]`, the text
/// `[B, T, cross_attention_dim]`; returns `[B, out_channels, H/2, W/2]`. `additional_residuals`
/// (T2I-Adapter's) is added to the last layer's output or, without transformers, to the block's.
///
/// Throws: `ValueError` for numbers below 1 and as its parts do.
///
/// Reference: diffusers 0.42.1, models/unets/unet_2d_blocks.py, `DownBlock2D` and
/// `CrossAttnDownBlock2D`.
class XATTN_API UNetDownBlock2DImpl : public torch::nn::Cloneable<UNetDownBlock2DImpl>,
                                      public GradientCheckpointing {
 public:
  /// `DownBlock2D`, or with transformers `CrossAttnDownBlock2D`.
  explicit UNetDownBlock2DImpl(
      const DownBlock2DOptions& options_,
      const std::optional<UNetTransformerOptions>& transformers_ = std::nullopt);

  void reset() override;

  /// Pretty prints the module, under its Python class's name, into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  DownBlockOutput forward(const torch::Tensor& hidden_states, const torch::Tensor& temb,
                          const TextContext& text = {},
                          const std::optional<torch::Tensor>& additional_residuals = std::nullopt);

  /// The options with which this `Module` was constructed.
  DownBlock2DOptions options;
  std::optional<UNetTransformerOptions> transformers;

  /// Of `Transformer2DModel`; null without transformers.
  torch::nn::ModuleList attentions = nullptr;
  /// Of `ResnetBlock2D`.
  torch::nn::ModuleList resnets = nullptr;
  /// One `Downsample2D`; null without `add_downsample`.
  torch::nn::ModuleList downsamplers = nullptr;

 protected:
  FORWARD_HAS_DEFAULT_ARGS({2, torch::nn::AnyValue(TextContext())},
                           {3, torch::nn::AnyValue(std::optional<torch::Tensor>())})
};

/// `UNetDownBlock2D` without transformers, under its Python class's name.
class DownBlock2D : public torch::nn::ModuleHolder<UNetDownBlock2DImpl> {
 public:
  using torch::nn::ModuleHolder<UNetDownBlock2DImpl>::ModuleHolder;
  explicit DownBlock2D(const DownBlock2DOptions& options)
      : ModuleHolder(std::make_shared<UNetDownBlock2DImpl>(options)) {}
};

/// `UNetDownBlock2D` with transformers, under its Python class's name.
class CrossAttnDownBlock2D : public torch::nn::ModuleHolder<UNetDownBlock2DImpl> {
 public:
  using torch::nn::ModuleHolder<UNetDownBlock2DImpl>::ModuleHolder;
  CrossAttnDownBlock2D(const DownBlock2DOptions& options,
                       const UNetTransformerOptions& transformers)
      : ModuleHolder(std::make_shared<UNetDownBlock2DImpl>(options, transformers)) {}
};

}  // namespace xattn
