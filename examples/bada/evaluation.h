#pragma once

#include <string>
#include <vector>

#include "captions.h"
#include "scene.h"

namespace bada {

/// A text, and the scene that a picture of it must show.
struct EvaluationPrompt {
  std::string text;
  Language language = Language::kEnglish;
  Scene scene;
  /// Whether the scene was kept from training.
  bool held_out = false;
};

/// The 400 prompts that a model is judged by, always the same: half of them English and half
/// Korean, a quarter of each with a scene that is held out. No two are alike.
std::vector<EvaluationPrompt> evaluation_prompts();

}  // namespace bada
