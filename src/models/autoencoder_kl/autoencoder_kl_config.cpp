#include "xattn/models/autoencoder_kl/autoencoder_kl_config.h"

#include <nlohmann/json.hpp>

#include "pretrained/config_reader.h"

namespace xattn {
namespace {

/// One number, or a height and a width, of which the original uses the height.
void read_sample_size(ConfigReader& reader, const std::string& text, int64_t& value) {
  const auto config = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto field = config.find("sample_size");
  if (field == config.end() || !field->is_array()) return reader.read("sample_size", value);
  std::vector<int64_t> sizes;
  reader.read("sample_size", sizes);
  if (sizes.empty()) reader.refuse("sample_size", "a whole number or two");
  value = sizes.front();
}

template <typename T>
nlohmann::json or_null(const std::optional<T>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json(nullptr);
}

}  // namespace

AutoencoderKLConfig AutoencoderKLConfig::from_json(const std::string& text) {
  ConfigReader reader("AutoencoderKL", text);
  AutoencoderKLConfig config;
  reader.read("in_channels", config.in_channels);
  reader.read("out_channels", config.out_channels);
  reader.read("down_block_types", config.down_block_types);
  reader.read("up_block_types", config.up_block_types);
  reader.read("block_out_channels", config.block_out_channels);
  reader.read("layers_per_block", config.layers_per_block);
  reader.read("act_fn", config.act_fn);
  reader.read("latent_channels", config.latent_channels);
  reader.read("norm_num_groups", config.norm_num_groups);
  read_sample_size(reader, text, config.sample_size);
  reader.read("scaling_factor", config.scaling_factor);
  reader.read("shift_factor", config.shift_factor);
  reader.read("latents_mean", config.latents_mean);
  reader.read("latents_std", config.latents_std);
  reader.read("force_upcast", config.force_upcast);
  reader.read("use_quant_conv", config.use_quant_conv);
  reader.read("use_post_quant_conv", config.use_post_quant_conv);
  reader.read("mid_block_add_attention", config.mid_block_add_attention);
  reader.finish();
  return config;
}

std::string AutoencoderKLConfig::to_json() const {
  nlohmann::ordered_json json;
  json["_class_name"] = "AutoencoderKL";
  json["act_fn"] = act_fn;
  json["block_out_channels"] = block_out_channels;
  json["down_block_types"] = down_block_types;
  json["force_upcast"] = force_upcast;
  json["in_channels"] = in_channels;
  json["latent_channels"] = latent_channels;
  json["latents_mean"] = or_null(latents_mean);
  json["latents_std"] = or_null(latents_std);
  json["layers_per_block"] = layers_per_block;
  json["mid_block_add_attention"] = mid_block_add_attention;
  json["norm_num_groups"] = norm_num_groups;
  json["out_channels"] = out_channels;
  json["sample_size"] = sample_size;
  json["scaling_factor"] = scaling_factor;
  json["shift_factor"] = or_null(shift_factor);
  json["up_block_types"] = up_block_types;
  json["use_post_quant_conv"] = use_post_quant_conv;
  json["use_quant_conv"] = use_quant_conv;
  return json.dump(2) + "\n";
}

}  // namespace xattn
