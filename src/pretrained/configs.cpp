// The configs of all models, from JSON and to JSON.

#include <nlohmann/json.hpp>

#include "pretrained/config_json.h"
#include "xattn/models/autoencoder_kl/autoencoder_kl_config.h"
#include "xattn/models/clip/clip_text_config.h"
#include "xattn/models/unet_2d_condition/unet_2d_condition_config.h"

namespace xattn {
namespace {

/// The object of that name in a JSON text; the text itself where it has none.
std::string part_of(const std::string& text, const char* name) {
  const auto config = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!config.is_object()) return text;
  const auto part = config.find(name);
  return part == config.end() || !part->is_object() ? text : part->dump();
}

}  // namespace

AutoencoderKLConfig AutoencoderKLConfig::from_json(const std::string& text) {
  return read_config<AutoencoderKLConfig>("AutoencoderKL", text);
}
std::string AutoencoderKLConfig::to_json() const {
  return write_config(*this);
}

CLIPTextConfig CLIPTextConfig::from_json(const std::string& text) {
  return read_config<CLIPTextConfig>("CLIPTextModel", part_of(text, "text_config"));
}
std::string CLIPTextConfig::to_json() const {
  return write_config(*this);
}

UNet2DConditionConfig UNet2DConditionConfig::from_json(const std::string& text) {
  return read_config<UNet2DConditionConfig>("UNet2DConditionModel", text);
}
std::string UNet2DConditionConfig::to_json() const {
  return write_config(*this);
}

}  // namespace xattn
