#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace xattn {

/// The hyper-parameters of `AutoencoderKL`: the keys of its config.json.
///
/// Reference: diffusers 0.42.1, models/autoencoders/autoencoder_kl.py, `AutoencoderKL.__init__`.
struct AutoencoderKLConfig {
  /// Of images.
  int64_t in_channels = 3;
  int64_t out_channels = 3;
  /// "DownEncoderBlock2D" for each level.
  std::vector<std::string> down_block_types = {"DownEncoderBlock2D"};
  /// "UpDecoderBlock2D" for each level.
  std::vector<std::string> up_block_types = {"UpDecoderBlock2D"};
  std::vector<int64_t> block_out_channels = {64};
  int64_t layers_per_block = 1;
  std::string act_fn = "silu";
  int64_t latent_channels = 4;
  int64_t norm_num_groups = 32;
  /// Height and width of the images that it was trained on; those of a tile where tiling is used.
  int64_t sample_size = 32;
  /// A UNet's latent is (z − shift_factor) · scaling_factor: what a pipeline computes, not the
  /// model.
  double scaling_factor = 0.18215;
  std::optional<double> shift_factor;
  /// Per channel, in place of the factors above, in some pipelines.
  std::optional<std::vector<double>> latents_mean;
  std::optional<std::vector<double>> latents_std;
  /// Whether a pipeline in float16 should run this model in float32.
  bool force_upcast = true;
  bool use_quant_conv = true;
  bool use_post_quant_conv = true;
  bool mid_block_add_attention = true;

  /// Reads a config.json. Throws: `ValueError` for a field that cannot be honoured.
  static AutoencoderKLConfig from_json(const std::string& text);

  /// The config.json that diffusers reads.
  std::string to_json() const;
};

}  // namespace xattn
