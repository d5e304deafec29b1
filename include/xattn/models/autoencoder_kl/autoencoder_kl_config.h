#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "xattn/core/export.h"

namespace xattn {

/// The hyper-parameters of `AutoencoderKL`: the keys of its config.json.
///
/// Reference: diffusers 0.42.1, models/autoencoders/autoencoder_kl.py, `AutoencoderKL.__init__`.
struct XATTN_API AutoencoderKLConfig {
  /// Channels of the images that go in.
  int64_t in_channels = 3;
  /// Channels of the images that come out.
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
  /// Height and width of the images that it was trained on, and of a tile where tiling is used.
  int64_t sample_size = 32;
  /// A UNet's latent is (z − shift_factor) · scaling_factor. The pipeline computes that, not this
  /// model.
  double scaling_factor = 0.18215;
  std::optional<double> shift_factor;
  /// Some pipelines use these, one a channel, in place of the two factors above.
  std::optional<std::vector<double>> latents_mean;
  std::optional<std::vector<double>> latents_std;
  /// Whether a pipeline in float16 should run this model in float32.
  bool force_upcast = true;
  bool use_quant_conv = true;
  bool use_post_quant_conv = true;
  bool mid_block_add_attention = true;

  /// Reads a config.json.
  ///
  /// A field that the original does not know either is named in a warning (`TORCH_WARN`) and
  /// skipped.
  ///
  /// Throws: `ValueError` for a field that cannot be honoured.
  static AutoencoderKLConfig from_json(const std::string& text);

  /// The config.json that diffusers reads.
  std::string to_json() const;

  /// Names every field once; `fields` has the members of `ConfigFields`.
  template <typename Config, typename Fields>
  static void visit_fields(Config& config, Fields&& fields) {
    fields.label("_class_name", "AutoencoderKL");
    fields.value("in_channels", config.in_channels);
    fields.value("out_channels", config.out_channels);
    fields.value("down_block_types", config.down_block_types);
    fields.value("up_block_types", config.up_block_types);
    fields.value("block_out_channels", config.block_out_channels);
    fields.value("layers_per_block", config.layers_per_block);
    fields.value("act_fn", config.act_fn);
    fields.value("latent_channels", config.latent_channels);
    fields.value("norm_num_groups", config.norm_num_groups);
    fields.height_of("sample_size", config.sample_size);
    fields.value("scaling_factor", config.scaling_factor);
    fields.value("shift_factor", config.shift_factor);
    fields.value("latents_mean", config.latents_mean);
    fields.value("latents_std", config.latents_std);
    fields.value("force_upcast", config.force_upcast);
    fields.value("use_quant_conv", config.use_quant_conv);
    fields.value("use_post_quant_conv", config.use_post_quant_conv);
    fields.value("mid_block_add_attention", config.mid_block_add_attention);
  }
};

}  // namespace xattn
