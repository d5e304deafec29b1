#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "xattn/core/export.h"
#include "xattn/models/autoencoder_kl/down_encoder_block_2d.h"
#include "xattn/models/autoencoder_kl/unet_mid_block_2d.h"
#include "xattn/nn/conv2d.h"
#include "xattn/nn/gradient_checkpoint.h"
#include "xattn/nn/group_norm.h"

namespace xattn {

/// Options of `Encoder`.
struct EncoderOptions {
  EncoderOptions(int64_t in_channels, int64_t out_channels)
      : in_channels_(in_channels), out_channels_(out_channels) {}

  TORCH_ARG(int64_t, in_channels);
  TORCH_ARG(int64_t, out_channels);
  /// Of each `DownEncoderBlock2D`, the only kind of level; all but the last halve the image.
  TORCH_ARG(std::vector<int64_t>, block_out_channels) = {64};
  TORCH_ARG(int64_t, layers_per_block) = 2;
  TORCH_ARG(int64_t, norm_num_groups) = 32;
  TORCH_ARG(std::string, act_fn) = "silu";
  /// Whether there are two channels for each of `out_channels`: a mean and a log variance.
  TORCH_ARG(bool, double_z) = true;
  TORCH_ARG(bool, mid_block_add_attention) = true;
};

/// A VAE's way from an image to the parameters of a latent's distribution.
///
/// out = conv_out(silu(conv_norm_out(mid_block(down_blocks(conv_in(x))))))
///
/// Shapes: `[B, in_channels, H, W]` to `[B, out_channels or twice that, H', W']`, H' = ⌊H /
/// 2^(levels − 1)⌋.
///
/// Throws: `ValueError` for no levels, and what its parts refuse.
///
/// Reference: diffusers 0.42.1, models/autoencoders/vae.py, `Encoder`.
class XATTN_API EncoderImpl : public torch::nn::Cloneable<EncoderImpl>,
                              public GradientCheckpointing {
 public:
  explicit EncoderImpl(const EncoderOptions& options_);

  void reset() override;

  /// Pretty prints the `Encoder` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  torch::Tensor forward(const torch::Tensor& sample);

  /// The options with which this `Module` was constructed.
  EncoderOptions options;

  Conv2d conv_in = nullptr;
  /// Of `DownEncoderBlock2D`.
  torch::nn::ModuleList down_blocks = nullptr;
  UNetMidBlock2D mid_block = nullptr;
  GroupNorm conv_norm_out = nullptr;
  torch::nn::SiLU conv_act = nullptr;
  Conv2d conv_out = nullptr;
};

/// A `ModuleHolder` subclass for `EncoderImpl`.
TORCH_MODULE(Encoder);

}  // namespace xattn
