#include "xattn/models/clip/clip_text_model.h"

#include <string>

#include "core/call.h"
#include "core/check.h"
#include "xattn/nn/gradient_checkpoint.h"

namespace xattn {

CLIPTextModelImpl::CLIPTextModelImpl(const CLIPTextConfig& config_) : config(config_) {
  config.architectures = {kClassName};
  reset();
}

void CLIPTextModelImpl::reset() {
  text_model = register_module("text_model", CLIPTextTransformer(config));
}

void CLIPTextModelImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::CLIPTextModel(hidden_size=" << config.hidden_size
         << ", num_hidden_layers=" << config.num_hidden_layers << ")";
}

void CLIPTextModelImpl::enable_gradient_checkpointing() {
  set_gradient_checkpointing(*this, true);
}

void CLIPTextModelImpl::disable_gradient_checkpointing() {
  set_gradient_checkpointing(*this, false);
}

CLIPTextOutput CLIPTextModelImpl::forward(const torch::Tensor& input_ids,
                                          const std::optional<torch::Tensor>& attention_mask,
                                          const CLIPTextForwardOptions& forward_options) {
  const Call call(*this, kClassName);
  return text_model(input_ids, attention_mask, forward_options);
}

std::vector<KeyTarget> CLIPTextModelImpl::map_key(const CLIPTextConfig& config,
                                                  const std::string& key) {
  if (key == "text_projection.weight") return {};
  return CLIPTextModelWithProjectionImpl::map_key(config, key);
}

CLIPTextModelWithProjectionImpl::CLIPTextModelWithProjectionImpl(const CLIPTextConfig& config_)
    : config(config_) {
  config.architectures = {kClassName};
  reset();
}

void CLIPTextModelWithProjectionImpl::reset() {
  if (!config.projection_dim)
    throw_value_error(kClassName, "projection_dim", "a whole number", "null");
  check_at_least(kClassName, "projection_dim", *config.projection_dim, 1);
  text_model = register_module("text_model", CLIPTextTransformer(config));
  text_projection = register_module(
      "text_projection",
      Linear(torch::nn::LinearOptions(config.hidden_size, *config.projection_dim).bias(false)));
}

void CLIPTextModelWithProjectionImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::CLIPTextModelWithProjection(hidden_size=" << config.hidden_size
         << ", num_hidden_layers=" << config.num_hidden_layers
         << ", projection_dim=" << *config.projection_dim << ")";
}

void CLIPTextModelWithProjectionImpl::enable_gradient_checkpointing() {
  set_gradient_checkpointing(*this, true);
}

void CLIPTextModelWithProjectionImpl::disable_gradient_checkpointing() {
  set_gradient_checkpointing(*this, false);
}

CLIPTextOutput CLIPTextModelWithProjectionImpl::forward(
    const torch::Tensor& input_ids, const std::optional<torch::Tensor>& attention_mask,
    const CLIPTextForwardOptions& forward_options) {
  const Call call(*this, kClassName);
  auto output = text_model(input_ids, attention_mask, forward_options);
  output.text_embeds = text_projection(output.pooler_output);
  return output;
}

std::vector<KeyTarget> CLIPTextModelWithProjectionImpl::map_key(const CLIPTextConfig& /*config*/,
                                                                const std::string& key) {
  const auto starts_with = [&](const char* prefix) { return key.rfind(prefix, 0) == 0; };
  const std::string position_ids = "embeddings.position_ids";
  if (key == position_ids || key == "text_model." + position_ids) return {};
  // Parts of a whole CLIP model.
  if (starts_with("vision_model.") || key == "visual_projection.weight" || key == "logit_scale")
    return {};
  if (starts_with("embeddings.") || starts_with("encoder.") || starts_with("final_layer_norm.")) {
    return {KeyTarget{.key = "text_model." + key}};
  }
  return {KeyTarget{.key = key}};
}

}  // namespace xattn
