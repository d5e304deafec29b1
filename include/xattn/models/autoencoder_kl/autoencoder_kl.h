#pragma once

#include <ATen/core/Generator.h>
#include <torch/nn/cloneable.h>
#include <torch/nn/modules/common.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "xattn/core/export.h"
#include "xattn/core/key_target.h"
#include "xattn/models/autoencoder_kl/autoencoder_kl_config.h"
#include "xattn/models/autoencoder_kl/decoder.h"
#include "xattn/models/autoencoder_kl/diagonal_gaussian_distribution.h"
#include "xattn/models/autoencoder_kl/encoder.h"
#include "xattn/nn/conv2d.h"

namespace xattn {

/// The variational autoencoder of Stable Diffusion: from images to latents and back.
///
/// Shapes: images `[B, in_channels, H, W]`, latents `[B, latent_channels, h, w]`, h = ⌊H / f⌋ and
/// H = h · f, where f = 2^(levels − 1).
///
/// Dtype and device: any floating-point dtype and any device, the same for inputs and weights.
///
/// Units: images are from −1 to 1; latents are as they are: scaling_factor and shift_factor are the
/// pipeline's.
///
/// Throws: `ValueError` for a config with other block types or lists of different lengths, for one
/// that the blocks refuse, for images smaller than f, and for inputs of another shape, dtype or
/// device.
///
/// Reference: diffusers 0.42.1, models/autoencoders/autoencoder_kl.py, `AutoencoderKL`.
class XATTN_API AutoencoderKLImpl : public torch::nn::Cloneable<AutoencoderKLImpl> {
 public:
  using Config = AutoencoderKLConfig;
  static constexpr const char* kClassName = "AutoencoderKL";

  explicit AutoencoderKLImpl(const AutoencoderKLConfig& config_);

  void reset() override;

  /// Pretty prints the `AutoencoderKL` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  /// decode of encode's mode or, with `sample_posterior`, of a sample that `generator` draws.
  torch::Tensor forward(const torch::Tensor& sample, bool sample_posterior = false,
                        const std::optional<at::Generator>& generator = std::nullopt);

  /// The distribution of the latents of images.
  DiagonalGaussianDistribution encode(const torch::Tensor& x);

  /// The images of latents.
  torch::Tensor decode(const torch::Tensor& z);

  /// Where a tensor of a file goes.
  ///
  /// Older files name the attentions' layers `query`, `key`, `value` and `proj_attn`. As in the
  /// original, their shapes must be those of linear layers.
  static std::vector<KeyTarget> map_key(const AutoencoderKLConfig& config, const std::string& key);

  /// Lets each level and middle of encoder and decoder be computed again in backward
  /// (`GradientCheckpointing`), or not.
  void enable_gradient_checkpointing();
  void disable_gradient_checkpointing();

  /// The config with which this `Module` was constructed.
  AutoencoderKLConfig config;

  /// Whether a batch is computed one image at a time, which takes less memory.
  bool use_slicing = false;
  /// Whether images larger than a tile are computed tile by tile, which takes much less memory;
  /// tiles overlap and are blended, but the result is another: each tile has norms and an attention
  /// of its own.
  bool use_tiling = false;
  /// Height and width of a tile of the image: the config's sample_size; and of the latent.
  int64_t tile_sample_min_size;
  int64_t tile_latent_min_size;
  /// The part of a tile that the next one covers as well.
  double tile_overlap_factor = 0.25;

  Encoder encoder = nullptr;
  Decoder decoder = nullptr;
  /// Null without `use_quant_conv`.
  Conv2d quant_conv = nullptr;
  /// Null without `use_post_quant_conv`.
  Conv2d post_quant_conv = nullptr;

 private:
  torch::Tensor encode_tile(const torch::Tensor& x);
  torch::Tensor decode_tile(const torch::Tensor& z);
  torch::Tensor encode_slice(const torch::Tensor& x);
  torch::Tensor decode_slice(const torch::Tensor& z);

 protected:
  FORWARD_HAS_DEFAULT_ARGS({1, torch::nn::AnyValue(false)},
                           {2, torch::nn::AnyValue(std::optional<at::Generator>())})
};

/// A `ModuleHolder` subclass for `AutoencoderKLImpl`.
TORCH_MODULE(AutoencoderKL);

}  // namespace xattn
