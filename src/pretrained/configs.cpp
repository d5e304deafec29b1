// The configs of all models, from JSON and to JSON.

#include "pretrained/config_json.h"
#include "xattn/models/autoencoder_kl/autoencoder_kl_config.h"
#include "xattn/models/clip/clip_text_config.h"
#include "xattn/models/unet_2d_condition/unet_2d_condition_config.h"

namespace xattn {

AutoencoderKLConfig AutoencoderKLConfig::from_json(const std::string& text) {
  return read_config<AutoencoderKLConfig>("AutoencoderKL", text);
}
std::string AutoencoderKLConfig::to_json() const {
  return write_config(*this);
}

CLIPTextConfig CLIPTextConfig::from_json(const std::string& text) {
  return read_config<CLIPTextConfig>("CLIPTextModel", text, "text_config");
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
