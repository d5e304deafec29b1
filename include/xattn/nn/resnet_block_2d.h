#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/modules/common.h>
#include <torch/nn/modules/dropout.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>

#include "xattn/core/export.h"
#include "xattn/nn/activations.h"
#include "xattn/nn/conv2d.h"
#include "xattn/nn/group_norm.h"
#include "xattn/nn/linear.h"

namespace xattn {

/// Options of `ResnetBlock2D`.
struct ResnetBlock2DOptions {
  ResnetBlock2DOptions(int64_t in_channels)
      : in_channels_(in_channels) {}  // NOLINT: as LibTorch's options

  TORCH_ARG(int64_t, in_channels);
  /// Where not given, `in_channels`.
  TORCH_ARG(std::optional<int64_t>, out_channels) = std::nullopt;
  TORCH_ARG(double, dropout) = 0.0;
  /// Width of the time embedding; where not given, there is none.
  TORCH_ARG(std::optional<int64_t>, temb_channels) = 512;
  TORCH_ARG(int64_t, groups) = 32;
  /// Where not given, `groups`.
  TORCH_ARG(std::optional<int64_t>, groups_out) = std::nullopt;
  TORCH_ARG(double, eps) = 1e-6;
  TORCH_ARG(std::string, non_linearity) = "swish";
  /// Whether the time embedding goes through no activation.
  TORCH_ARG(bool, skip_time_act) = false;
  /// "default": the time embedding is added; "scale_shift": it scales and shifts.
  TORCH_ARG(std::string, time_embedding_norm) = "default";
  /// What the output is divided by.
  TORCH_ARG(double, output_scale_factor) = 1.0;
  /// Where not given, whether the numbers of channels differ.
  TORCH_ARG(std::optional<bool>, use_in_shortcut) = std::nullopt;
  TORCH_ARG(bool, conv_shortcut_bias) = true;
  /// Where not given, `out_channels`.
  TORCH_ARG(std::optional<int64_t>, conv_2d_out_channels) = std::nullopt;
};

/// Two convolutions beside a shortcut, between them the time embedding.
///
/// out = (shortcut(x) + conv2(act(norm2(conv1(act(norm1(x))) + time_emb_proj(act(temb)))))) /
/// output_scale_factor; with "scale_shift", norm2(…)·(1 + scale) + shift instead of the sum.
///
/// Shapes: input_tensor `[B, in_channels, H, W]`, temb `[B, temb_channels]`; returns
/// `[B, out_channels, H, W]`.
///
/// Dtype and device: any floating-point dtype and any device, the same for inputs and weights.
///
/// Throws: `ValueError` for an unknown `non_linearity` or `time_embedding_norm`, groups that do not
/// divide the channels, a time embedding that is missing, and inputs of another shape, dtype or
/// device.
///
/// Reference: diffusers 0.42.1, models/resnet.py, `ResnetBlock2D`.
class XATTN_API ResnetBlock2DImpl : public torch::nn::Cloneable<ResnetBlock2DImpl> {
 public:
  explicit ResnetBlock2DImpl(const ResnetBlock2DOptions& options_);

  void reset() override;

  /// Pretty prints the `ResnetBlock2D` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  torch::Tensor forward(const torch::Tensor& input_tensor,
                        const std::optional<torch::Tensor>& temb = std::nullopt);

  /// The options with which this `Module` was constructed.
  ResnetBlock2DOptions options;

  GroupNorm norm1 = nullptr;
  Conv2d conv1 = nullptr;
  /// Null without `temb_channels`.
  Linear time_emb_proj = nullptr;
  GroupNorm norm2 = nullptr;
  torch::nn::Dropout dropout = nullptr;
  Conv2d conv2 = nullptr;
  /// Null where the input is its own shortcut.
  Conv2d conv_shortcut = nullptr;

 private:
  torch::Tensor norm_and_convolve(GroupNormImpl& norm, Conv2dImpl& conv, const torch::Tensor& x,
                                  Conv2dFusion fusion = {}) const;

  Activation nonlinearity_ = nullptr;

 protected:
  FORWARD_HAS_DEFAULT_ARGS({1, torch::nn::AnyValue(std::optional<torch::Tensor>())})
};

/// A `ModuleHolder` subclass for `ResnetBlock2DImpl`.
TORCH_MODULE(ResnetBlock2D);

}  // namespace xattn
