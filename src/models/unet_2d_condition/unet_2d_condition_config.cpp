#include "xattn/models/unet_2d_condition/unet_2d_condition_config.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "pretrained/config_reader.h"

namespace xattn {
namespace {

using Config = UNet2DConditionConfig;

constexpr auto kPlace = "UNet2DConditionModel";

/// A number for all blocks, or one for each.
void read_blocks(ConfigReader& reader, const char* name, std::vector<int64_t>& value,
                 size_t blocks) {
  if (reader.is_list(name)) return reader.read_for_each(name, value, blocks);
  int64_t number = value.at(0);
  reader.read(name, number);
  value = {number};
}

void read_blocks(ConfigReader& reader, const char* name, std::vector<bool>& value, size_t blocks) {
  if (reader.is_list(name)) {
    reader.read(name, value);
    if (value.size() != blocks)
      reader.refuse(name, "true or false, or a list of " + std::to_string(blocks));
    return;
  }
  bool flag = value.at(0);
  reader.read(name, flag);
  value = {flag};
}

template <typename T>
nlohmann::json blocks_json(const std::vector<T>& value) {
  return value.size() == 1 ? nlohmann::json(static_cast<T>(value[0])) : nlohmann::json(value);
}

template <typename T>
nlohmann::json optional_json(const std::optional<T>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json();
}

/// A whole number without point, as the original writes them.
nlohmann::json number_json(double value) {
  return std::floor(value) == value ? nlohmann::json(static_cast<int64_t>(value))
                                    : nlohmann::json(value);
}

/// What only the original implements.
void expect_defaults(ConfigReader& reader) {
  reader.expect("reverse_transformer_layers_per_block", {nullptr});
  reader.expect("encoder_hid_dim", {nullptr});
  reader.expect("encoder_hid_dim_type", {nullptr});
  reader.expect("num_attention_heads", {nullptr});
  reader.expect("dual_cross_attention", {false});
  reader.expect("resnet_skip_time_act", {false});
  reader.expect("resnet_out_scale_factor", {1.0});
  reader.expect("time_embedding_type", {"positional"});
  reader.expect("attention_type", {"default"});
  reader.expect("mid_block_only_cross_attention", {nullptr, false});
  reader.expect("cross_attention_norm", {nullptr});
  reader.expect("addition_embed_type_num_heads", {64});
}

/// Far more than any model has, and few enough to be made.
constexpr int64_t kMostChannels = int64_t{1} << 20, kMostLayers = 1000;

void check_between(const char* name, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return;
  throw_value_error(kPlace, name, std::to_string(least) + " to " + std::to_string(most),
                    std::to_string(value));
}

void check_positive(const char* name, int64_t value) {
  check_between(name, value, 1, kMostChannels);
}

void check_positive(const char* name, const std::optional<int64_t>& value) {
  if (value) check_positive(name, *value);
}

template <typename T>
void check_count(const char* name, const std::vector<T>& values, size_t blocks) {
  if (values.size() == 1 || values.size() == blocks) return;
  throw_value_error(kPlace, name,
                    "one value, or " + std::to_string(blocks) + " as down_block_types",
                    std::to_string(values.size()));
}

void check_blocks(const char* name, const std::vector<int64_t>& values, size_t blocks) {
  check_count(name, values, blocks);
  for (const auto value : values) check_positive(name, value);
}

void check_types(const char* name, const std::vector<std::string>& types, size_t blocks,
                 const std::string& with_attention, const std::string& without) {
  if (types.size() != blocks) {
    throw_value_error(kPlace, name, std::to_string(blocks) + " blocks, as down_block_types",
                      std::to_string(types.size()));
  }
  for (const auto& type : types) {
    if (type != with_attention && type != without) {
      throw_value_error(kPlace, name,
                        with_attention + " or " + without + ", the only ones implemented", type);
    }
  }
}

void check_kernel(const char* name, int64_t kernel) {
  if (kernel < 1 || kernel > 99 || kernel % 2 == 0)
    throw_value_error(kPlace, name, "an odd number", std::to_string(kernel));
}

void check_embeddings(const Config& config) {
  if (config.class_embed_type) {
    const auto& type = *config.class_embed_type;
    const bool is_projection = type == "projection" || type == "simple_projection";
    if (type != "timestep" && type != "identity" && !is_projection) {
      throw_value_error(kPlace, "class_embed_type",
                        "none, timestep, identity, projection or simple_projection", type);
    }
    if (is_projection && !config.projection_class_embeddings_input_dim) {
      throw_value_error(kPlace, "projection_class_embeddings_input_dim",
                        "a number with class_embed_type " + type, "none");
    }
  }
  if (!config.addition_embed_type) return;
  if (*config.addition_embed_type != "text_time") {
    throw_value_error(kPlace, "addition_embed_type", "none or text_time, the only ones implemented",
                      *config.addition_embed_type);
  }
  if (!config.addition_time_embed_dim) {
    throw_value_error(kPlace, "addition_time_embed_dim",
                      "a number with addition_embed_type text_time", "none");
  }
  if (!config.projection_class_embeddings_input_dim) {
    throw_value_error(kPlace, "projection_class_embeddings_input_dim",
                      "a number with addition_embed_type text_time", "none");
  }
  if (config.class_embeddings_concat) {
    throw_value_error(kPlace, "class_embeddings_concat", "false with addition_embed_type text_time",
                      "true");
  }
}

}  // namespace

UNet2DConditionConfig UNet2DConditionConfig::from_json(const std::string& text) {
  ConfigReader reader(kPlace, text);
  Config config;
  reader.read("down_block_types", config.down_block_types);
  const auto blocks = config.down_block_types.size();
  if (reader.is_list("sample_size")) {
    reader.read("sample_size", config.sample_size);
    if (config.sample_size.size() != 2)
      reader.refuse("sample_size", "a whole number, or a list of two");
  } else {
    std::optional<int64_t> size;
    reader.read("sample_size", size);
    if (size) config.sample_size = {*size};
  }
  reader.read("in_channels", config.in_channels);
  reader.read("out_channels", config.out_channels);
  reader.read("center_input_sample", config.center_input_sample);
  reader.read("flip_sin_to_cos", config.flip_sin_to_cos);
  reader.read("freq_shift", config.freq_shift);
  reader.read("mid_block_type", config.mid_block_type);
  reader.read("up_block_types", config.up_block_types);
  read_blocks(reader, "only_cross_attention", config.only_cross_attention, blocks);
  reader.read("block_out_channels", config.block_out_channels);
  read_blocks(reader, "layers_per_block", config.layers_per_block, blocks);
  reader.read("downsample_padding", config.downsample_padding);
  reader.read("mid_block_scale_factor", config.mid_block_scale_factor);
  reader.read("dropout", config.dropout);
  reader.read("act_fn", config.act_fn);
  reader.read("norm_num_groups", config.norm_num_groups);
  reader.read("norm_eps", config.norm_eps);
  read_blocks(reader, "cross_attention_dim", config.cross_attention_dim, blocks);
  read_blocks(reader, "transformer_layers_per_block", config.transformer_layers_per_block, blocks);
  read_blocks(reader, "attention_head_dim", config.attention_head_dim, blocks);
  reader.read("use_linear_projection", config.use_linear_projection);
  reader.read("class_embed_type", config.class_embed_type);
  reader.read("addition_embed_type", config.addition_embed_type);
  reader.read("addition_time_embed_dim", config.addition_time_embed_dim);
  reader.read("num_class_embeds", config.num_class_embeds);
  // Null in Stable Diffusion XL's.
  std::optional<bool> upcast_attention;
  reader.read("upcast_attention", upcast_attention);
  config.upcast_attention = upcast_attention.value_or(false);
  reader.read("resnet_time_scale_shift", config.resnet_time_scale_shift);
  reader.read("time_embedding_dim", config.time_embedding_dim);
  reader.read("time_embedding_act_fn", config.time_embedding_act_fn);
  reader.read("timestep_post_act", config.timestep_post_act);
  reader.read("time_cond_proj_dim", config.time_cond_proj_dim);
  reader.read("conv_in_kernel", config.conv_in_kernel);
  reader.read("conv_out_kernel", config.conv_out_kernel);
  reader.read("projection_class_embeddings_input_dim",
              config.projection_class_embeddings_input_dim);
  reader.read("class_embeddings_concat", config.class_embeddings_concat);
  expect_defaults(reader);
  config.check();
  reader.finish();
  return config;
}

std::string UNet2DConditionConfig::to_json() const {
  nlohmann::json json;
  json["_class_name"] = kPlace;
  json["sample_size"] = sample_size.empty() ? nlohmann::json() : blocks_json(sample_size);
  json["in_channels"] = in_channels;
  json["out_channels"] = out_channels;
  json["center_input_sample"] = center_input_sample;
  json["flip_sin_to_cos"] = flip_sin_to_cos;
  json["freq_shift"] = number_json(freq_shift);
  json["down_block_types"] = down_block_types;
  json["mid_block_type"] = optional_json(mid_block_type);
  json["up_block_types"] = up_block_types;
  json["only_cross_attention"] = blocks_json(only_cross_attention);
  json["block_out_channels"] = block_out_channels;
  json["layers_per_block"] = blocks_json(layers_per_block);
  json["downsample_padding"] = downsample_padding;
  json["mid_block_scale_factor"] = number_json(mid_block_scale_factor);
  json["dropout"] = dropout;
  json["act_fn"] = act_fn;
  json["norm_num_groups"] = norm_num_groups;
  json["norm_eps"] = norm_eps;
  json["cross_attention_dim"] = blocks_json(cross_attention_dim);
  json["transformer_layers_per_block"] = blocks_json(transformer_layers_per_block);
  json["attention_head_dim"] = blocks_json(attention_head_dim);
  json["use_linear_projection"] = use_linear_projection;
  json["class_embed_type"] = optional_json(class_embed_type);
  json["addition_embed_type"] = optional_json(addition_embed_type);
  json["addition_time_embed_dim"] = optional_json(addition_time_embed_dim);
  json["num_class_embeds"] = optional_json(num_class_embeds);
  json["upcast_attention"] = upcast_attention;
  json["resnet_time_scale_shift"] = resnet_time_scale_shift;
  json["time_embedding_dim"] = optional_json(time_embedding_dim);
  json["time_embedding_act_fn"] = optional_json(time_embedding_act_fn);
  json["timestep_post_act"] = optional_json(timestep_post_act);
  json["time_cond_proj_dim"] = optional_json(time_cond_proj_dim);
  json["conv_in_kernel"] = conv_in_kernel;
  json["conv_out_kernel"] = conv_out_kernel;
  json["projection_class_embeddings_input_dim"] =
      optional_json(projection_class_embeddings_input_dim);
  json["class_embeddings_concat"] = class_embeddings_concat;
  return json.dump(2) + "\n";
}

void UNet2DConditionConfig::check() const {
  const auto blocks = down_block_types.size();
  if (blocks == 0) throw_value_error(kPlace, "down_block_types", "one block or more", "none");
  check_types("down_block_types", down_block_types, blocks, "CrossAttnDownBlock2D", "DownBlock2D");
  check_types("up_block_types", up_block_types, blocks, "CrossAttnUpBlock2D", "UpBlock2D");
  if (mid_block_type && *mid_block_type != "UNetMidBlock2DCrossAttn") {
    throw_value_error(kPlace, "mid_block_type",
                      "UNetMidBlock2DCrossAttn or none, the only ones implemented",
                      *mid_block_type);
  }
  if (block_out_channels.size() != blocks) {
    throw_value_error(kPlace, "block_out_channels",
                      std::to_string(blocks) + " numbers, as down_block_types",
                      std::to_string(block_out_channels.size()));
  }
  check_blocks("block_out_channels", block_out_channels, blocks);
  check_count("only_cross_attention", only_cross_attention, blocks);
  check_blocks("layers_per_block", layers_per_block, blocks);
  check_blocks("cross_attention_dim", cross_attention_dim, blocks);
  check_count("transformer_layers_per_block", transformer_layers_per_block, blocks);
  for (const auto layers : transformer_layers_per_block) {
    check_between("transformer_layers_per_block", layers, 0, kMostLayers);
  }
  for (const auto layers : layers_per_block)
    check_between("layers_per_block", layers, 1, kMostLayers);
  check_blocks("attention_head_dim", attention_head_dim, blocks);
  check_positive("in_channels", in_channels);
  check_positive("out_channels", out_channels);
  check_positive("norm_num_groups", norm_num_groups);
  check_positive("num_class_embeds", num_class_embeds);
  check_positive("addition_time_embed_dim", addition_time_embed_dim);
  check_positive("time_embedding_dim", time_embedding_dim);
  check_positive("time_cond_proj_dim", time_cond_proj_dim);
  check_positive("projection_class_embeddings_input_dim", projection_class_embeddings_input_dim);
  check_between("downsample_padding", downsample_padding, 0, 1);
  check_kernel("conv_in_kernel", conv_in_kernel);
  check_kernel("conv_out_kernel", conv_out_kernel);
  check_embeddings(*this);
}

}  // namespace xattn
