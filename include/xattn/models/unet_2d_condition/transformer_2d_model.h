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
#include <vector>

#include "xattn/core/export.h"
#include "xattn/models/unet_2d_condition/text_context.h"
#include "xattn/nn/conv2d.h"
#include "xattn/nn/gradient_checkpoint.h"
#include "xattn/nn/group_norm.h"
#include "xattn/nn/linear.h"

namespace xattn {

/// Options of `Transformer2DModel`.
struct Transformer2DModelOptions {
  Transformer2DModelOptions(int64_t num_attention_heads, int64_t attention_head_dim,
                            int64_t in_channels)
      : num_attention_heads_(num_attention_heads),
        attention_head_dim_(attention_head_dim),
        in_channels_(in_channels) {}

  TORCH_ARG(int64_t, num_attention_heads);
  TORCH_ARG(int64_t, attention_head_dim);
  TORCH_ARG(int64_t, in_channels);
  TORCH_ARG(int64_t, num_layers) = 1;
  TORCH_ARG(double, dropout) = 0.0;
  TORCH_ARG(int64_t, norm_num_groups) = 32;
  /// Width of the text; where not given, the blocks have self attention only.
  TORCH_ARG(std::optional<int64_t>, cross_attention_dim) = std::nullopt;
  TORCH_ARG(bool, attention_bias) = false;
  /// As in `FeedForwardOptions`.
  TORCH_ARG(std::string, activation_fn) = "geglu";
  /// Whether `proj_in` and `proj_out` are linear layers rather than convolutions of one pixel.
  TORCH_ARG(bool, use_linear_projection) = false;
  TORCH_ARG(bool, only_cross_attention) = false;
  TORCH_ARG(bool, double_self_attention) = false;
  TORCH_ARG(bool, norm_elementwise_affine) = true;
  TORCH_ARG(double, norm_eps) = 1e-5;
};

/// Transformer blocks whose tokens are the pixels of an image.
///
/// out = x + proj_out(blocks(proj_in(norm(x)), text)).
///
/// Shapes: hidden_states `[B, in_channels, H, W]`, returns the same; the text has
/// `[B, T, cross_attention_dim]`.
///
/// Dtype and device: any floating-point dtype and any device, the same for inputs and weights;
/// under autocast, any floating-point input.
///
/// Throws: `ValueError` for groups that do not divide the channels, and as its parts do.
///
/// Reference: diffusers 0.42.1, models/transformers/transformer_2d.py, `Transformer2DModel` with
/// continuous input.
class XATTN_API Transformer2DModelImpl : public torch::nn::Cloneable<Transformer2DModelImpl>,
                                         public GradientCheckpointing {
 public:
  explicit Transformer2DModelImpl(const Transformer2DModelOptions& options_);

  void reset() override;

  /// Pretty prints the `Transformer2DModel` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  torch::Tensor forward(const torch::Tensor& hidden_states, const TextContext& text = {});

  /// The options with which this `Module` was constructed.
  Transformer2DModelOptions options;

  GroupNorm norm = nullptr;
  /// `proj_in` and `proj_out`: null with `use_linear_projection`, and otherwise the others are.
  Conv2d proj_in_conv = nullptr, proj_out_conv = nullptr;
  Linear proj_in_linear = nullptr, proj_out_linear = nullptr;
  /// Of `BasicTransformerBlock`.
  torch::nn::ModuleList transformer_blocks = nullptr;

 protected:
  FORWARD_HAS_DEFAULT_ARGS({1, torch::nn::AnyValue(TextContext())})
};

/// A `ModuleHolder` subclass for `Transformer2DModelImpl`.
TORCH_MODULE(Transformer2DModel);

}  // namespace xattn
