#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>

#include "xattn/core/export.h"
#include "xattn/nn/conv2d.h"

namespace xattn {

/// Options of `Downsample2D`.
struct Downsample2DOptions {
  Downsample2DOptions(int64_t channels) : channels_(channels) {}  // NOLINT: as LibTorch's options

  TORCH_ARG(int64_t, channels);
  /// A convolution; without it, the mean of each 2×2 pixels.
  TORCH_ARG(bool, use_conv) = false;
  /// Where not given, `channels`.
  TORCH_ARG(std::optional<int64_t>, out_channels) = std::nullopt;
  /// With 0, a column on the right and a row below are added instead.
  TORCH_ARG(int64_t, padding) = 1;
  /// With "conv", the convolution is registered as `Conv2d_0` as well.
  TORCH_ARG(std::string, name) = "conv";
};

/// Halves an image's height and width.
///
/// Shapes: `[B, channels, H, W]` to `[B, out_channels, H', W']`.
///
/// Throws: `ValueError` for channels below 1, other out_channels without convolution, and inputs of
/// another shape, dtype or device.
///
/// Reference: diffusers 0.42.1, models/downsampling.py, `Downsample2D`.
class XATTN_API Downsample2DImpl : public torch::nn::Cloneable<Downsample2DImpl> {
 public:
  explicit Downsample2DImpl(const Downsample2DOptions& options_);

  void reset() override;

  /// Pretty prints the `Downsample2D` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  torch::Tensor forward(const torch::Tensor& hidden_states);

  /// The options with which this `Module` was constructed.
  Downsample2DOptions options;

  /// Null without `use_conv`.
  Conv2d conv = nullptr;
};

/// A `ModuleHolder` subclass for `Downsample2DImpl`.
TORCH_MODULE(Downsample2D);

}  // namespace xattn
