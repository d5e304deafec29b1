#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace xattn {

/// The fields of `UNet2DConditionModel`'s config.json, with the original's names and defaults.
///
/// Of a field that may differ between blocks, one value stands for all of them. Reference:
/// diffusers 0.42.1, models/unets/unet_2d_condition.py, `UNet2DConditionModel.__init__`.
struct UNet2DConditionConfig {
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

  /// Reads a config.json. A field that only the original implements is refused by name unless it
  /// has its default; one that the original does not know either is named in a warning
  /// (`TORCH_WARN`) and skipped. Throws: `ValueError` for these, and for values that no model can
  /// have.
  static UNet2DConditionConfig from_json(const std::string& text);

  /// A config.json from which Python makes the same model.
  std::string to_json() const;

  /// Throws `ValueError` "[UNet2DConditionModel] field: expected …, got …" for values that no model
  /// can have.
  void check() const;
};

}  // namespace xattn
