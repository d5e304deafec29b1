#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/modules/common.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>

#include "xattn/core/export.h"
#include "xattn/nn/conv2d.h"

namespace xattn {

/// Options of `Upsample2D`.
struct Upsample2DOptions {
  Upsample2DOptions(int64_t channels) : channels_(channels) {}  // NOLINT: as LibTorch's options

  TORCH_ARG(int64_t, channels);
  /// A convolution after the interpolation.
  TORCH_ARG(bool, use_conv) = false;
  /// Where not given, `channels`.
  TORCH_ARG(std::optional<int64_t>, out_channels) = std::nullopt;
  /// With "conv", the convolution is registered as `conv`, otherwise as `Conv2d_0`.
  TORCH_ARG(std::string, name) = "conv";
};

/// Doubles an image's height and width, or brings them to `output_size`, by repeating pixels.
///
/// Shapes: `[B, channels, H, W]` to `[B, out_channels, 2H, 2W]` or
/// `[B, out_channels, *output_size]`.
///
/// Throws: `ValueError` for channels below 1 and inputs of another shape.
///
/// Reference: diffusers 0.42.1, models/upsampling.py, `Upsample2D`.
class XATTN_API Upsample2DImpl : public torch::nn::Cloneable<Upsample2DImpl> {
 public:
  explicit Upsample2DImpl(const Upsample2DOptions& options_);

  void reset() override;

  /// Pretty prints the `Upsample2D` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  torch::Tensor forward(const torch::Tensor& hidden_states,
                        const std::optional<std::array<int64_t, 2>>& output_size = std::nullopt);

  /// The options with which this `Module` was constructed.
  Upsample2DOptions options;

  /// Null without `use_conv`.
  Conv2d conv = nullptr;

 protected:
  FORWARD_HAS_DEFAULT_ARGS({1, torch::nn::AnyValue(std::optional<std::array<int64_t, 2>>())})
};

/// A `ModuleHolder` subclass for `Upsample2DImpl`.
TORCH_MODULE(Upsample2D);

}  // namespace xattn
