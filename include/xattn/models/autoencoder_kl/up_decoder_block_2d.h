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
#include "xattn/nn/resnet_block_2d.h"
#include "xattn/nn/upsample_2d.h"

namespace xattn {

/// Options of `UpDecoderBlock2D`.
struct UpDecoderBlock2DOptions {
  UpDecoderBlock2DOptions(int64_t in_channels, int64_t out_channels)
      : in_channels_(in_channels), out_channels_(out_channels) {}

  TORCH_ARG(int64_t, in_channels);
  TORCH_ARG(int64_t, out_channels);
  TORCH_ARG(double, dropout) = 0.0;
  TORCH_ARG(int64_t, num_layers) = 1;
  TORCH_ARG(double, resnet_eps) = 1e-6;
  TORCH_ARG(std::string, resnet_act_fn) = "swish";
  TORCH_ARG(int64_t, resnet_groups) = 32;
  TORCH_ARG(double, output_scale_factor) = 1.0;
  TORCH_ARG(bool, add_upsample) = true;
  /// Width of the time embedding; where not given, there is none.
  TORCH_ARG(std::optional<int64_t>, temb_channels) = std::nullopt;
};

/// A level of the VAE's decoder: `ResnetBlock2D`s, then an `Upsample2D`.
///
/// Shapes: `[B, in_channels, H, W]` to `[B, out_channels, H', W']`, where H' and W' are doubled
/// with an upsampler.
///
/// Throws: `ValueError` for num_layers below 1, and what its parts refuse.
///
/// Reference: diffusers 0.42.1, models/unets/unet_2d_blocks.py, `UpDecoderBlock2D`.
class XATTN_API UpDecoderBlock2DImpl : public torch::nn::Cloneable<UpDecoderBlock2DImpl> {
 public:
  explicit UpDecoderBlock2DImpl(const UpDecoderBlock2DOptions& options_);

  void reset() override;

  /// Pretty prints the `UpDecoderBlock2D` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  /// Whoever moves the hidden states in lets them be freed before the end: they are the largest
  /// maps.
  torch::Tensor forward(torch::Tensor hidden_states,
                        const std::optional<torch::Tensor>& temb = std::nullopt);

  /// The options with which this `Module` was constructed.
  UpDecoderBlock2DOptions options;

  /// Of `ResnetBlock2D`.
  torch::nn::ModuleList resnets = nullptr;
  /// One `Upsample2D`; null without `add_upsample`.
  torch::nn::ModuleList upsamplers = nullptr;

 protected:
  FORWARD_HAS_DEFAULT_ARGS({1, torch::nn::AnyValue(std::optional<torch::Tensor>())})
};

/// A `ModuleHolder` subclass for `UpDecoderBlock2DImpl`.
TORCH_MODULE(UpDecoderBlock2D);

}  // namespace xattn
