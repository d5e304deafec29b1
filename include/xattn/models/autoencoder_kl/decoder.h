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
#include "xattn/models/autoencoder_kl/unet_mid_block_2d.h"
#include "xattn/models/autoencoder_kl/up_decoder_block_2d.h"
#include "xattn/nn/conv2d.h"
#include "xattn/nn/gradient_checkpoint.h"
#include "xattn/nn/group_norm.h"

namespace xattn {

/// Options of `Decoder`.
struct DecoderOptions {
  DecoderOptions(int64_t in_channels, int64_t out_channels)
      : in_channels_(in_channels), out_channels_(out_channels) {}

  TORCH_ARG(int64_t, in_channels);
  TORCH_ARG(int64_t, out_channels);
  /// Of each `UpDecoderBlock2D`, the only kind of level, in the encoder's order: the last comes
  /// first.
  TORCH_ARG(std::vector<int64_t>, block_out_channels) = {64};
  /// One less than each level has.
  TORCH_ARG(int64_t, layers_per_block) = 2;
  TORCH_ARG(int64_t, norm_num_groups) = 32;
  TORCH_ARG(std::string, act_fn) = "silu";
  TORCH_ARG(bool, mid_block_add_attention) = true;
};

/// A VAE's way from a latent to an image.
///
/// out = conv_out(silu(conv_norm_out(up_blocks(mid_block(conv_in(z))))))
///
/// Shapes: `[B, in_channels, h, w]` to `[B, out_channels, H, W]`, H = h · 2^(levels − 1).
///
/// Throws: `ValueError` for no levels, and what its parts refuse.
///
/// Reference: diffusers 0.42.1, models/autoencoders/vae.py, `Decoder` with `norm_type="group"`.
class XATTN_API DecoderImpl : public torch::nn::Cloneable<DecoderImpl>,
                              public GradientCheckpointing {
 public:
  explicit DecoderImpl(const DecoderOptions& options_);

  void reset() override;

  /// Pretty prints the `Decoder` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  torch::Tensor forward(const torch::Tensor& sample);

  /// The options with which this `Module` was constructed.
  DecoderOptions options;

  Conv2d conv_in = nullptr;
  /// Of `UpDecoderBlock2D`.
  torch::nn::ModuleList up_blocks = nullptr;
  UNetMidBlock2D mid_block = nullptr;
  GroupNorm conv_norm_out = nullptr;
  torch::nn::SiLU conv_act = nullptr;
  Conv2d conv_out = nullptr;
};

/// A `ModuleHolder` subclass for `DecoderImpl`.
TORCH_MODULE(Decoder);

}  // namespace xattn
