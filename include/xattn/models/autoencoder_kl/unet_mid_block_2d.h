#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/modules/common.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>

#include "xattn/core/export.h"
#include "xattn/nn/attention.h"
#include "xattn/nn/resnet_block_2d.h"

namespace xattn {

/// Options of `UNetMidBlock2D`.
struct UNetMidBlock2DOptions {
  UNetMidBlock2DOptions(int64_t in_channels)
      : in_channels_(in_channels) {}  // NOLINT: as LibTorch's options

  TORCH_ARG(int64_t, in_channels);
  /// Width of the time embedding; where not given, there is none.
  TORCH_ARG(std::optional<int64_t>, temb_channels) = std::nullopt;
  TORCH_ARG(double, dropout) = 0.0;
  TORCH_ARG(int64_t, num_layers) = 1;
  TORCH_ARG(double, resnet_eps) = 1e-6;
  /// "default" or "scale_shift", as in `ResnetBlock2D`.
  TORCH_ARG(std::string, resnet_time_scale_shift) = "default";
  TORCH_ARG(std::string, resnet_act_fn) = "swish";
  /// Where not given, a quarter of the channels, 32 at most.
  TORCH_ARG(std::optional<int64_t>, resnet_groups) = 32;
  /// Where not given, those of the resnets with "default", otherwise the attention has no norm.
  TORCH_ARG(std::optional<int64_t>, attn_groups) = std::nullopt;
  TORCH_ARG(bool, add_attention) = true;
  /// Width of each head; where not given, there is one.
  TORCH_ARG(std::optional<int64_t>, attention_head_dim) = 1;
  TORCH_ARG(double, output_scale_factor) = 1.0;
};

/// The middle of a UNet or VAE: a `ResnetBlock2D`, then num_layers times self attention over the
/// pixels and another `ResnetBlock2D`.
///
/// Shapes: hidden_states `[B, in_channels, H, W]`, temb `[B, temb_channels]`; returns
/// hidden_states' shape.
///
/// Throws: `ValueError` for num_layers below 0, and what its parts refuse.
///
/// Reference: diffusers 0.42.1, models/unets/unet_2d_blocks.py, `UNetMidBlock2D`.
class XATTN_API UNetMidBlock2DImpl : public torch::nn::Cloneable<UNetMidBlock2DImpl> {
 public:
  explicit UNetMidBlock2DImpl(const UNetMidBlock2DOptions& options_);

  void reset() override;

  /// Pretty prints the `UNetMidBlock2D` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  torch::Tensor forward(const torch::Tensor& hidden_states,
                        const std::optional<torch::Tensor>& temb = std::nullopt);

  /// The options with which this `Module` was constructed.
  UNetMidBlock2DOptions options;

  /// Of `Attention`; empty without `add_attention`.
  torch::nn::ModuleList attentions = nullptr;
  /// Of `ResnetBlock2D`, one more than num_layers.
  torch::nn::ModuleList resnets = nullptr;

 protected:
  FORWARD_HAS_DEFAULT_ARGS({1, torch::nn::AnyValue(std::optional<torch::Tensor>())})
};

/// A `ModuleHolder` subclass for `UNetMidBlock2DImpl`.
TORCH_MODULE(UNetMidBlock2D);

}  // namespace xattn
