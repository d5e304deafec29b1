#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <optional>
#include <string>

#include "xattn/ops/precision.h"

namespace xattn::apps {

/// What `xattn generate` is asked for; what is not set is the folder's or diffusers'.
struct GenerateOptions {
  std::string model, variant;
  /// Whether the model is the embedded one, as nothing else was asked for.
  bool is_embedded = false;
  std::optional<std::string> prompt, negative_prompt, prompt_2, negative_prompt_2;
  std::string prompt_file, prompt_syntax = "plain";
  std::optional<int64_t> clip_skip;

  std::optional<int64_t> steps, seed, height, width;
  std::optional<double> guidance_scale, strength;
  double guidance_rescale = 0, eta = 0;
  /// A class's full name; empty for the folder's.
  std::string scheduler;
  int64_t num_images = 1;
  std::string init_image, mask_image;

  std::string device = "auto";
  at::ScalarType dtype = at::kFloat;
  std::optional<at::ScalarType> weights_dtype;
  std::optional<Precision> precision;
  std::optional<std::string> plan;
  std::optional<int> threads;
  bool vae_tiling = false;

  std::string output, save_latents;
  std::optional<int64_t> preview_every;
  bool show = false, quiet = false, json = false, force = false;
};

}  // namespace xattn::apps
