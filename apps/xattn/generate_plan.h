#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "generate_options.h"

namespace xattn::apps {

struct PlannedPrompt {
  std::string text;
  /// "prompts.txt:3: ", before what is wrong with it; empty where it was given by itself.
  std::string place;
};

struct PlannedPicture {
  /// Which of the prompts.
  size_t prompt = 0;
  uint64_t seed = 0;
  std::string path;
};

/// What a call of `xattn generate` will make, and where.
struct GeneratePlan {
  std::vector<PlannedPrompt> prompts;
  /// Of each prompt `num_images`, in order. Picture i of a prompt has the seed `seed + i`.
  std::vector<PlannedPicture> pictures;
  /// OUT.preview.png
  std::string preview_path;
};

/// Plans the pictures, and checks all that can be checked before a model is loaded: prompts, the
/// model's folder, that files can be written and that nothing is written over.
///
/// Throws: `UsageError` and `FileError`.
GeneratePlan make_generate_plan(const GenerateOptions& options);

}  // namespace xattn::apps
