#include "xattn/models/unet_2d_condition/unet_2d_condition_config.h"

#include "core/check.h"
#include "core/config_check.h"

namespace xattn {
namespace {

using Config = UNet2DConditionConfig;

constexpr auto kUNetConfig = "UNet2DConditionModel";

void check_types(const char* name, const std::vector<std::string>& types, size_t blocks,
                 const std::string& with_attention, const std::string& without) {
  if (types.size() != blocks) {
    throw_value_error(kUNetConfig, name, std::to_string(blocks) + " blocks, as down_block_types",
                      std::to_string(types.size()));
  }
  for (const auto& type : types) {
    if (type != with_attention && type != without) {
      throw_value_error(kUNetConfig, name,
                        with_attention + " or " + without + ", the only ones implemented", type);
    }
  }
}

void check_odd(const char* name, int64_t number) {
  if (number % 2 == 0)
    throw_value_error(kUNetConfig, name, "an odd number", std::to_string(number));
}

void check_embeddings(const Config& config) {
  if (config.class_embed_type) {
    const auto& type = *config.class_embed_type;
    const bool is_projection = type == "projection" || type == "simple_projection";
    if (type != "timestep" && type != "identity" && !is_projection) {
      throw_value_error(kUNetConfig, "class_embed_type",
                        "none, timestep, identity, projection or simple_projection", type);
    }
    if (is_projection && !config.projection_class_embeddings_input_dim) {
      throw_value_error(kUNetConfig, "projection_class_embeddings_input_dim",
                        "a number with class_embed_type " + type, "none");
    }
  }
  if (!config.addition_embed_type) return;
  if (*config.addition_embed_type != "text_time") {
    throw_value_error(kUNetConfig, "addition_embed_type",
                      "none or text_time, the only ones implemented", *config.addition_embed_type);
  }
  if (!config.addition_time_embed_dim) {
    throw_value_error(kUNetConfig, "addition_time_embed_dim",
                      "a number with addition_embed_type text_time", "none");
  }
  if (!config.projection_class_embeddings_input_dim) {
    throw_value_error(kUNetConfig, "projection_class_embeddings_input_dim",
                      "a number with addition_embed_type text_time", "none");
  }
  if (config.class_embeddings_concat) {
    throw_value_error(kUNetConfig, "class_embeddings_concat",
                      "false with addition_embed_type text_time", "true");
  }
}

}  // namespace

void UNet2DConditionConfig::check() const {
  const auto blocks = down_block_types.size();
  if (blocks == 0) throw_value_error(kUNetConfig, "down_block_types", "one block or more", "none");
  check_types("down_block_types", down_block_types, blocks, "CrossAttnDownBlock2D", "DownBlock2D");
  check_types("up_block_types", up_block_types, blocks, "CrossAttnUpBlock2D", "UpBlock2D");
  if (mid_block_type && *mid_block_type != "UNetMidBlock2DCrossAttn") {
    throw_value_error(kUNetConfig, "mid_block_type",
                      "UNetMidBlock2DCrossAttn or none, the only ones implemented",
                      *mid_block_type);
  }
  if (block_out_channels.size() != blocks) {
    throw_value_error(kUNetConfig, "block_out_channels",
                      std::to_string(blocks) + " numbers, as down_block_types",
                      std::to_string(block_out_channels.size()));
  }
  visit_fields(*this, ConfigCheck(kUNetConfig));
  check_odd("conv_in_kernel", conv_in_kernel);
  check_odd("conv_out_kernel", conv_out_kernel);
  check_embeddings(*this);
}

}  // namespace xattn
