#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace xattn::apps {

/// All that a picture was made with: enough to make it again.
struct GenerationParameters {
  std::string prompt;
  std::optional<std::string> negative_prompt, prompt_2, negative_prompt_2;
  std::string prompt_syntax = "plain";
  std::optional<int64_t> clip_skip;

  /// The name of the pipeline's folder, its class, and the scheduler as its config's JSON says it.
  std::string model, variant, pipeline, scheduler;
  /// "text-to-image", "image-to-image" or "inpainting".
  std::string task;
  int64_t steps = 0;
  double guidance_scale = 0, guidance_rescale = 0, eta = 0;
  std::optional<double> strength;
  uint64_t seed = 0;
  int64_t height = 0, width = 0;
  std::string dtype;
  std::optional<std::string> weights_dtype, precision;
  bool vae_tiling = false;
};

/// Everything by name, with what was left to defaults as it turned out to be.
nlohmann::ordered_json to_json(const GenerationParameters& parameters);

/// As AUTOMATIC1111's stable-diffusion-webui writes it, and other programs read it:
///
///     a lighthouse at dawn
///     Negative prompt: blurry
///     Steps: 20, Sampler: Euler a, CFG scale: 7.5, Seed: 42, Size: 512x512, Model: sd15, Version:
///     xattn 0.1.0
///
/// Samplers have that program's names where it knows them. Its clip skip is one more than ours.
///
/// Reference: stable-diffusion-webui 1.10.1, modules/processing.py, `create_infotext`.
std::string to_infotext(const GenerationParameters& parameters);

/// The texts of a PNG by keyword: `parameters`, as `to_infotext`, and `xattn`, the JSON.
std::map<std::string, std::string> png_texts(const GenerationParameters& parameters);

}  // namespace xattn::apps
