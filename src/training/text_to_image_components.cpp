#include "xattn/training/text_to_image_components.h"

#include <utility>

#include "core/check.h"
#include "io/atomic_file.h"
#include "io/json.h"
#include "pretrained/config_json.h"
#include "xattn/pipelines/stable_diffusion_pipeline.h"
#include "xattn/pretrained/from_pretrained.h"
#include "xattn/pretrained/open_scheduler.h"
#include "xattn/pretrained/save_pretrained.h"

namespace xattn {
namespace {

constexpr auto kComponents = "text_to_image";
constexpr auto kPredictionType = "prediction_type";

/// Sets the two schedulers from a scheduler_config.json's text.
void set_schedulers(TextToImageComponents& components, const io::Subject& subject,
                    const std::string& text, const std::string& prediction_type) {
  auto config = io::read_json_object(subject, text, {.constants = true});
  if (!prediction_type.empty()) config[kPredictionType] = prediction_type;
  components.scheduler = scheduler_from_json(config.dump());
  // What only the other class knows is of no effect here.
  ConfigReader reader("DDPMScheduler", config.dump());
  DDPMSchedulerConfig noise;
  DDPMSchedulerConfig::visit_fields(noise, reader);
  components.noise_scheduler = std::make_shared<DDPMScheduler>(noise);
}

void check_components(const TextToImageComponents& components) {
  const auto& unet = components.unet->config;
  const auto latent = components.vae->config.latent_channels;
  const auto width = components.text_encoder->config.hidden_size;
  const auto expect = [](const char* name, int64_t wanted, const char* as, int64_t got) {
    if (wanted != got) throw_value_error(kComponents, name, cat(wanted, ", ", as), cat(got));
  };
  expect("unet: in_channels", latent, "the latents'", unet.in_channels);
  expect("unet: out_channels", latent, "the latents'", unet.out_channels);
  for (const auto each : unet.cross_attention_dim)
    expect("unet: cross_attention_dim", width, "as wide as the texts", each);
  const auto& text = components.text_encoder->config;
  const auto vocabulary = components.tokenizer.size();
  if (text.vocab_size < vocabulary) {
    throw_value_error(kComponents, "text_encoder: vocab_size",
                      cat(vocabulary, " or more, as the tokenizer has"), cat(text.vocab_size));
  }
  const auto length = components.tokenizer.model_max_length();
  if (text.max_position_embeddings < length) {
    throw_value_error(kComponents, "text_encoder: max_position_embeddings",
                      cat(length, " or more, the tokenizer's model_max_length"),
                      cat(text.max_position_embeddings));
  }
}

/// model_index.json of the components, as diffusers 0.42.1 writes it.
std::string index_of(const TextToImageComponents& components) {
  nlohmann::json index;
  index["_class_name"] = "StableDiffusionPipeline";
  index["_diffusers_version"] = "0.42.1";
  for (const auto* name : {"feature_extractor", "image_encoder", "safety_checker"})
    index[name] = {nullptr, nullptr};
  index["requires_safety_checker"] = false;
  index["scheduler"] = {"diffusers", components.scheduler->class_name()};
  index["text_encoder"] = {"transformers", "CLIPTextModel"};
  index["tokenizer"] = {"transformers", "CLIPTokenizer"};
  index["unet"] = {"diffusers", "UNet2DConditionModel"};
  index["vae"] = {"diffusers", "AutoencoderKL"};
  return index.dump(2) + "\n";
}

/// Copies the files of a tokenizer's folder, each whole or not at all.
void copy_tokenizer(const std::string& from, const std::string& to) {
  io::make_folder({kComponents, to});
  for (const auto* name : {"vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json",
                           "special_tokens_map.json", "added_tokens.json"}) {
    const auto path = from + "/" + name;
    if (!io::exists({kComponents, path})) continue;
    const io::File source(kComponents, path);
    io::write_file(kComponents, to + "/" + name, source.read(0, source.size()));
  }
}

}  // namespace

TextToImageComponents open_text_to_image(const std::string& folder,
                                         const std::string& prediction_type) {
  const auto pipeline = open_pipeline(folder);
  const auto* found = dynamic_cast<const StableDiffusionPipeline*>(pipeline.get());
  if (!found || found->is_latent_consistency) {
    throw_value_error(kComponents, folder, "a StableDiffusionPipeline",
                      found ? "a latent consistency model" : pipeline->class_name());
  }
  TextToImageComponents components{*found->tokenizer,
                                   folder + "/tokenizer",
                                   found->text_encoder,
                                   found->unet,
                                   found->vae,
                                   nullptr,
                                   nullptr};
  const io::File file(kComponents, folder + "/scheduler/scheduler_config.json");
  set_schedulers(components, file.subject(), io::read_text(file), prediction_type);
  check_components(components);
  return components;
}

TextToImageComponents make_text_to_image(const std::string& config, const std::string& vae,
                                         const std::string& tokenizer,
                                         const std::string& prediction_type) {
  const io::Subject subject{kComponents, "config"};
  auto parts = io::read_json_object(subject, config, {.constants = true});
  const auto take = [&](const char* name) {
    const auto found = parts.find(name);
    if (found == parts.end() || !found->is_object()) {
      throw_value_error(kComponents, cat("config: ", name), "an object, as in its config.json",
                        found == parts.end() ? "none" : io::shown(*found));
    }
    auto text = found->dump();
    parts.erase(found);
    return text;
  };
  TextToImageComponents components{
      CLIPTokenizer::from_pretrained(tokenizer),
      tokenizer,
      CLIPTextModel(CLIPTextConfig::from_json(take("text_encoder"))),
      UNet2DConditionModel(UNet2DConditionConfig::from_json(take("unet"))),
      from_pretrained<AutoencoderKL>(vae),
      nullptr,
      nullptr};
  set_schedulers(components, subject, take("scheduler"), prediction_type);
  if (!parts.empty()) {
    throw_value_error(kComponents, "config", "unet, text_encoder and scheduler",
                      parts.begin().key());
  }
  check_components(components);
  return components;
}

void save_text_to_image(const TextToImageComponents& components, const std::string& folder) {
  save_pretrained(components.unet, folder + "/unet");
  save_pretrained(components.text_encoder, folder + "/text_encoder");
  save_pretrained(components.vae, folder + "/vae");
  save_scheduler(*components.scheduler, folder + "/scheduler");
  copy_tokenizer(components.tokenizer_folder, folder + "/tokenizer");
  io::write_file(kComponents, folder + "/model_index.json", index_of(components));
}

}  // namespace xattn
