#include "generation_parameters.h"

#include <fmt/format.h>
#include <xattn/version.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "io/json.h"

namespace xattn::apps {
namespace {

using Json = nlohmann::ordered_json;

/// Texts that people gave need not be UTF-8.
std::string json_text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string text_field(const nlohmann::json& config, const char* name) {
  const auto found = config.find(name);
  return found != config.end() && found->is_string() ? found->get<std::string>() : "";
}

bool is_set(const nlohmann::json& config, const char* name) {
  const auto found = config.find(name);
  return found != config.end() && found->is_boolean() && found->get<bool>();
}

/// Of "EulerDiscreteScheduler": "EulerDiscrete".
std::string short_class(std::string name) {
  constexpr std::string_view kEnd = "Scheduler";
  if (name.ends_with(kEnd)) name.resize(name.size() - kEnd.size());
  return name;
}

/// The name that the web interface has for a scheduler, or else its class.
std::string sampler_name(const nlohmann::json& config) {
  static const std::map<std::string, std::string> kNames = {
      {"EulerDiscreteScheduler", "Euler"},
      {"EulerAncestralDiscreteScheduler", "Euler a"},
      {"DDIMScheduler", "DDIM"},
      {"HeunDiscreteScheduler", "Heun"},
      {"KDPM2DiscreteScheduler", "DPM2"},
      {"KDPM2AncestralDiscreteScheduler", "DPM2 a"},
      {"LCMScheduler", "LCM"},
      {"LMSDiscreteScheduler", "LMS"},
      {"PNDMScheduler", "PLMS"},
      {"UniPCMultistepScheduler", "UniPC"}};
  const auto name = text_field(config, "_class_name");
  if (name == "DPMSolverMultistepScheduler") {
    const auto order = config.find("solver_order");
    const auto is_2 = order != config.end() && order->is_number_integer() && *order == 2;
    const auto algorithm = text_field(config, "algorithm_type");
    if (is_2 && algorithm == "dpmsolver++") return "DPM++ 2M";
    if (is_2 && algorithm == "sde-dpmsolver++") return "DPM++ 2M SDE";
  }
  const auto found = kNames.find(name);
  return found == kNames.end() ? short_class(name) : found->second;
}

std::string schedule_type(const nlohmann::json& config) {
  if (is_set(config, "use_karras_sigmas")) return "Karras";
  if (is_set(config, "use_exponential_sigmas")) return "Exponential";
  if (is_set(config, "use_beta_sigmas")) return "Beta";
  return "";
}

/// The scheduler's config. What is infinite in it, as DPM-Solver's `lambda_min_clipped`, is a text.
nlohmann::json scheduler_config(const GenerationParameters& parameters) {
  return io::parse_json(parameters.scheduler, {.constants = true}).value;
}

/// A value that would end too early is in quotes.
std::string infotext_value(const std::string& value) {
  return value.find_first_of(",\n:") == value.npos ? value : json_text(value);
}

}  // namespace

Json to_json(const GenerationParameters& parameters) {
  Json json = {{"version", XATTN_VERSION}, {"prompt", parameters.prompt}};
  const auto add = [&](const char* name, const auto& value) {
    if (value) json[name] = *value;
  };
  add("negative_prompt", parameters.negative_prompt);
  add("prompt_2", parameters.prompt_2);
  add("negative_prompt_2", parameters.negative_prompt_2);
  json["prompt_syntax"] = parameters.prompt_syntax;
  add("clip_skip", parameters.clip_skip);
  json["model"] = parameters.model;
  if (!parameters.variant.empty()) json["variant"] = parameters.variant;
  json["pipeline"] = parameters.pipeline;
  json["task"] = parameters.task;
  json["steps"] = parameters.steps;
  json["guidance_scale"] = parameters.guidance_scale;
  json["guidance_rescale"] = parameters.guidance_rescale;
  json["eta"] = parameters.eta;
  add("strength", parameters.strength);
  json["seed"] = parameters.seed;
  json["height"] = parameters.height;
  json["width"] = parameters.width;
  json["dtype"] = parameters.dtype;
  add("weights_dtype", parameters.weights_dtype);
  add("precision", parameters.precision);
  json["vae_tiling"] = parameters.vae_tiling;
  json["scheduler"] = scheduler_config(parameters);
  return json;
}

std::string to_infotext(const GenerationParameters& parameters) {
  const auto config = scheduler_config(parameters);
  std::vector<std::pair<std::string, std::string>> values = {
      {"Steps", std::to_string(parameters.steps)}, {"Sampler", sampler_name(config)}};
  if (const auto type = schedule_type(config); !type.empty())
    values.emplace_back("Schedule type", type);
  values.emplace_back("CFG scale", fmt::format("{}", parameters.guidance_scale));
  if (parameters.guidance_rescale != 0)
    values.emplace_back("CFG Rescale", fmt::format("{}", parameters.guidance_rescale));
  values.emplace_back("Seed", std::to_string(parameters.seed));
  values.emplace_back("Size", fmt::format("{}x{}", parameters.width, parameters.height));
  values.emplace_back("Model", parameters.model);
  if (parameters.strength)
    values.emplace_back("Denoising strength", fmt::format("{}", *parameters.strength));
  if (parameters.clip_skip.value_or(0) > 0)
    values.emplace_back("Clip skip", std::to_string(*parameters.clip_skip + 1));
  if (parameters.eta != 0) values.emplace_back("Eta", fmt::format("{}", parameters.eta));
  values.emplace_back("Version", "xattn " XATTN_VERSION);

  auto text = parameters.prompt + "\n";
  const auto& negative = parameters.negative_prompt;
  if (negative && !negative->empty()) text += "Negative prompt: " + *negative + "\n";
  for (size_t i = 0; i < values.size(); ++i) {
    text += fmt::format("{}{}: {}", i == 0 ? "" : ", ", values[i].first,
                        infotext_value(values[i].second));
  }
  return text;
}

std::map<std::string, std::string> png_texts(const GenerationParameters& parameters) {
  return {{"parameters", to_infotext(parameters)}, {"xattn", json_text(to_json(parameters))}};
}

}  // namespace xattn::apps
