#include "evaluation.h"

#include <set>

namespace bada {

std::vector<EvaluationPrompt> evaluation_prompts() {
  constexpr int kCount = 400;
  constexpr uint64_t kSeed = 400;
  std::vector<Scene> held_out;
  for (const auto& scene : all_scenes()) {
    if (is_held_out(scene)) held_out.push_back(scene);
  }
  Random random(kSeed, 0xe7a1);
  std::vector<EvaluationPrompt> prompts;
  std::set<std::string> texts;
  size_t next = 0;
  for (int i = 0; i < kCount; ++i) {
    EvaluationPrompt prompt;
    prompt.language = i % 2 == 0 ? Language::kEnglish : Language::kKorean;
    prompt.held_out = i % 8 >= 6;
    prompt.scene = prompt.held_out ? held_out[next++ % held_out.size()]
                                   : sample_scene(mix_seed(kSeed, static_cast<uint64_t>(i)));
    do {
      prompt.text = caption(prompt.scene, prompt.language, random);
    } while (!texts.insert(prompt.text).second);
    prompts.push_back(std::move(prompt));
  }
  return prompts;
}

}  // namespace bada
