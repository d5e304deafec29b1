#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/modules/common.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <ostream>
#include <utility>

#include "xattn/core/export.h"
#include "xattn/models/unet_2d_condition/text_context.h"
#include "xattn/models/unet_2d_condition/unet_2d_block_options.h"
#include "xattn/nn/gradient_checkpoint.h"

namespace xattn {

/// Options of `UNetMidBlock2DCrossAttn`.
struct UNetMidBlock2DCrossAttnOptions {
  UNetMidBlock2DCrossAttnOptions(int64_t in_channels, UNetResnetOptions resnets,
                                 UNetTransformerOptions transformers)
      : in_channels_(in_channels),
        out_channels_(in_channels),
        resnets_(std::move(resnets)),
        transformers_(std::move(transformers)) {}

  TORCH_ARG(int64_t, in_channels);
  /// Default: `in_channels`.
  TORCH_ARG(int64_t, out_channels);
  /// `num_layers` counts the transformers; there is one residual block more.
  TORCH_ARG(UNetResnetOptions, resnets);
  TORCH_ARG(UNetTransformerOptions, transformers);
};

/// A residual block, then `num_layers` times a transformer that reads the text and a residual
/// block.
///
/// Shapes: hidden_states `[B, in_channels, H, W]`, temb `[B, temb_channels]`, the text
/// `[B, T, cross_attention_dim]`; returns `[B, out_channels, H, W]`.
///
/// Throws: `ValueError` for numbers below 1 and as its parts do.
///
/// Reference: diffusers 0.42.1, models/unets/unet_2d_blocks.py, `UNetMidBlock2DCrossAttn`.
class XATTN_API UNetMidBlock2DCrossAttnImpl
    : public torch::nn::Cloneable<UNetMidBlock2DCrossAttnImpl>,
      public GradientCheckpointing {
 public:
  explicit UNetMidBlock2DCrossAttnImpl(const UNetMidBlock2DCrossAttnOptions& options_);

  void reset() override;

  /// Pretty prints the `UNetMidBlock2DCrossAttn` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  torch::Tensor forward(const torch::Tensor& hidden_states, const torch::Tensor& temb,
                        const TextContext& text = {});

  /// The options with which this `Module` was constructed.
  UNetMidBlock2DCrossAttnOptions options;

  /// Of `Transformer2DModel`.
  torch::nn::ModuleList attentions = nullptr;
  /// Of `ResnetBlock2D`.
  torch::nn::ModuleList resnets = nullptr;

 protected:
  FORWARD_HAS_DEFAULT_ARGS({2, torch::nn::AnyValue(TextContext())})
};

/// A `ModuleHolder` subclass for `UNetMidBlock2DCrossAttnImpl`.
TORCH_MODULE(UNetMidBlock2DCrossAttn);

}  // namespace xattn
