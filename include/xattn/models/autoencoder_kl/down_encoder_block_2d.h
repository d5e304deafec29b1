#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <ostream>
#include <string>

#include "xattn/core/export.h"
#include "xattn/nn/downsample_2d.h"
#include "xattn/nn/resnet_block_2d.h"

namespace xattn {

/// Options of `DownEncoderBlock2D`.
struct DownEncoderBlock2DOptions {
  DownEncoderBlock2DOptions(int64_t in_channels, int64_t out_channels)
      : in_channels_(in_channels), out_channels_(out_channels) {}

  TORCH_ARG(int64_t, in_channels);
  TORCH_ARG(int64_t, out_channels);
  TORCH_ARG(double, dropout) = 0.0;
  TORCH_ARG(int64_t, num_layers) = 1;
  TORCH_ARG(double, resnet_eps) = 1e-6;
  TORCH_ARG(std::string, resnet_act_fn) = "swish";
  TORCH_ARG(int64_t, resnet_groups) = 32;
  TORCH_ARG(double, output_scale_factor) = 1.0;
  TORCH_ARG(bool, add_downsample) = true;
  TORCH_ARG(int64_t, downsample_padding) = 1;
};

/// A level of the VAE's encoder: `ResnetBlock2D`s, then a `Downsample2D`.
///
/// Shapes: `[B, in_channels, H, W]` to `[B, out_channels, H', W']`, where H' and W' are halves with
/// a downsampler.
///
/// Throws: `ValueError` for num_layers below 1, and what its parts refuse.
///
/// Reference: diffusers 0.42.1, models/unets/unet_2d_blocks.py, `DownEncoderBlock2D`.
class XATTN_API DownEncoderBlock2DImpl : public torch::nn::Cloneable<DownEncoderBlock2DImpl> {
 public:
  explicit DownEncoderBlock2DImpl(const DownEncoderBlock2DOptions& options_);

  void reset() override;

  /// Pretty prints the `DownEncoderBlock2D` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  torch::Tensor forward(const torch::Tensor& hidden_states);

  /// The options with which this `Module` was constructed.
  DownEncoderBlock2DOptions options;

  /// Of `ResnetBlock2D`.
  torch::nn::ModuleList resnets = nullptr;
  /// One `Downsample2D`; null without `add_downsample`.
  torch::nn::ModuleList downsamplers = nullptr;
};

/// A `ModuleHolder` subclass for `DownEncoderBlock2DImpl`.
TORCH_MODULE(DownEncoderBlock2D);

}  // namespace xattn
