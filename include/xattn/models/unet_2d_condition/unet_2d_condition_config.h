#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "xattn/core/export.h"

namespace xattn {

/// The fields of `UNet2DConditionModel`'s config.json, with the original's names and defaults.
///
/// Of a field that may differ between blocks, one value stands for all of them.
///
/// Reference: diffusers 0.42.1, models/unets/unet_2d_condition.py, `UNet2DConditionModel.__init__`.
struct XATTN_API UNet2DConditionConfig {
  /// Height and width of the latent, or one number for both; not read by the model.
  std::vector<int64_t> sample_size;
  int64_t in_channels = 4;
  int64_t out_channels = 4;
  bool center_input_sample = false;
  bool flip_sin_to_cos = true;
  double freq_shift = 0;
  /// "CrossAttnDownBlock2D" or "DownBlock2D".
  std::vector<std::string> down_block_types = {"CrossAttnDownBlock2D", "CrossAttnDownBlock2D",
                                               "CrossAttnDownBlock2D", "DownBlock2D"};
  /// "UNetMidBlock2DCrossAttn", or none.
  std::optional<std::string> mid_block_type = "UNetMidBlock2DCrossAttn";
  /// "UpBlock2D" or "CrossAttnUpBlock2D".
  std::vector<std::string> up_block_types = {"UpBlock2D", "CrossAttnUpBlock2D",
                                             "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"};
  std::vector<bool> only_cross_attention = {false};
  std::vector<int64_t> block_out_channels = {320, 640, 1280, 1280};
  std::vector<int64_t> layers_per_block = {2};
  int64_t downsample_padding = 1;
  double mid_block_scale_factor = 1;
  double dropout = 0;
  std::string act_fn = "silu";
  int64_t norm_num_groups = 32;
  double norm_eps = 1e-5;
  std::vector<int64_t> cross_attention_dim = {1280};
  std::vector<int64_t> transformer_layers_per_block = {1};
  /// The number of heads, in spite of its name.
  std::vector<int64_t> attention_head_dim = {8};
  bool use_linear_projection = false;
  /// None, "timestep", "identity", "projection" or "simple_projection".
  std::optional<std::string> class_embed_type;
  /// None or "text_time".
  std::optional<std::string> addition_embed_type;
  std::optional<int64_t> addition_time_embed_dim;
  std::optional<int64_t> num_class_embeds;
  /// Of no effect, as in the original with `scaled_dot_product_attention`.
  bool upcast_attention = false;
  /// "default" or "scale_shift".
  std::string resnet_time_scale_shift = "default";
  std::optional<int64_t> time_embedding_dim;
  std::optional<std::string> time_embedding_act_fn;
  std::optional<std::string> timestep_post_act;
  std::optional<int64_t> time_cond_proj_dim;
  int64_t conv_in_kernel = 3;
  int64_t conv_out_kernel = 3;
  std::optional<int64_t> projection_class_embeddings_input_dim;
  bool class_embeddings_concat = false;

  /// Reads a config.json.
  ///
  /// A field that only the original implements is refused by name unless it has its default. One
  /// that the original does not know either is named in a warning (`TORCH_WARN`) and skipped.
  ///
  /// Throws: `ValueError` for these, and for values that no model can have.
  static UNet2DConditionConfig from_json(const std::string& text);

  /// A config.json from which Python makes the same model.
  std::string to_json() const;

  /// Throws `ValueError` "[UNet2DConditionModel] field: expected …, got …" for values that no model
  /// can have.
  void check() const;

  /// Names every field once; `fields` has the members of `ConfigFields`.
  template <typename Config, typename Fields>
  static void visit_fields(Config& config, Fields&& fields) {
    // Far more than any model has, and few enough to be made.
    constexpr int64_t kMost = int64_t{1} << 20, kMostLayers = 1000, kLargestKernel = 99;
    fields.label("_class_name", "UNet2DConditionModel");
    fields.height_and_width("sample_size", config.sample_size);
    fields.in_range("in_channels", config.in_channels, 1, kMost);
    fields.in_range("out_channels", config.out_channels, 1, kMost);
    fields.value("center_input_sample", config.center_input_sample);
    fields.value("flip_sin_to_cos", config.flip_sin_to_cos);
    fields.value("freq_shift", config.freq_shift);
    fields.value("down_block_types", config.down_block_types);
    const auto blocks = config.down_block_types.size();
    fields.value("mid_block_type", config.mid_block_type);
    fields.value("up_block_types", config.up_block_types);
    fields.each_block("only_cross_attention", config.only_cross_attention, blocks);
    fields.in_range("block_out_channels", config.block_out_channels, 1, kMost);
    fields.each_block("layers_per_block", config.layers_per_block, blocks, 1, kMostLayers);
    fields.in_range("downsample_padding", config.downsample_padding, 0, 1);
    fields.value("mid_block_scale_factor", config.mid_block_scale_factor);
    fields.value("dropout", config.dropout);
    fields.value("act_fn", config.act_fn);
    fields.in_range("norm_num_groups", config.norm_num_groups, 1, kMost);
    fields.value("norm_eps", config.norm_eps);
    fields.each_block("cross_attention_dim", config.cross_attention_dim, blocks, 1, kMost);
    fields.each_block("transformer_layers_per_block", config.transformer_layers_per_block, blocks,
                      0, kMostLayers);
    fields.each_block("attention_head_dim", config.attention_head_dim, blocks, 1, kMost);
    fields.value("use_linear_projection", config.use_linear_projection);
    fields.value("class_embed_type", config.class_embed_type);
    fields.value("addition_embed_type", config.addition_embed_type);
    fields.in_range("addition_time_embed_dim", config.addition_time_embed_dim, 1, kMost);
    fields.in_range("num_class_embeds", config.num_class_embeds, 1, kMost);
    fields.null_is_default("upcast_attention", config.upcast_attention);  // so in XL's
    fields.value("resnet_time_scale_shift", config.resnet_time_scale_shift);
    fields.in_range("time_embedding_dim", config.time_embedding_dim, 1, kMost);
    fields.value("time_embedding_act_fn", config.time_embedding_act_fn);
    fields.value("timestep_post_act", config.timestep_post_act);
    fields.in_range("time_cond_proj_dim", config.time_cond_proj_dim, 1, kMost);
    fields.in_range("conv_in_kernel", config.conv_in_kernel, 1, kLargestKernel);
    fields.in_range("conv_out_kernel", config.conv_out_kernel, 1, kLargestKernel);
    fields.in_range("projection_class_embeddings_input_dim",
                    config.projection_class_embeddings_input_dim, 1, kMost);
    fields.value("class_embeddings_concat", config.class_embeddings_concat);
    fields.only("reverse_transformer_layers_per_block", nullptr);
    fields.only("encoder_hid_dim", nullptr);
    fields.only("encoder_hid_dim_type", nullptr);
    fields.only("num_attention_heads", nullptr);
    fields.only("dual_cross_attention", false);
    fields.only("resnet_skip_time_act", false);
    fields.only("resnet_out_scale_factor", 1.0);
    fields.only("time_embedding_type", "positional");
    fields.only("attention_type", "default");
    fields.only("mid_block_only_cross_attention", nullptr, false);
    fields.only("cross_attention_norm", nullptr);
    fields.only("addition_embed_type_num_heads", 64);
  }
};

}  // namespace xattn
