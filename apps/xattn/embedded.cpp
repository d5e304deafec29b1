#include "embedded.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <set>

#include "core/text.h"
#include "xattn/pretrained/embedded_model.h"

namespace xattn::apps {
namespace {

/// What a prompt says, without the signs of its syntax.
std::vector<std::string> texts_of(const std::string& prompt, PromptSyntax syntax) {
  if (syntax == PromptSyntax::kPlain) return {prompt};
  std::vector<std::string> texts;
  const auto take = [&](const std::vector<PromptFragment>& fragments) {
    for (const auto& fragment : fragments) {
      if (!fragment.is_break) texts.push_back(fragment.text);
    }
  };
  if (syntax == PromptSyntax::kA1111) {
    take(parse_a1111_prompt(prompt));
  } else {
    for (const auto& part : parse_compel_prompt(prompt)) {
      for (const auto& fragments : part.texts) take(fragments);
    }
  }
  return texts;
}

}  // namespace

void use_embedded_model(GenerateOptions& options) {
  const auto model = embedded_model();
  options.is_embedded = true;
  options.model = model.folder;
  options.steps = options.steps.value_or(model.num_inference_steps);
  options.guidance_scale = options.guidance_scale.value_or(model.guidance_scale);
}

void warn_of_unknown_words(const CLIPTokenizer& tokenizer, const std::vector<std::string>& prompts,
                           PromptSyntax syntax) {
  constexpr size_t kMost = 10;
  std::vector<std::string> unknown;
  std::set<std::string> seen;
  for (const auto& prompt : prompts) {
    for (const auto& text : texts_of(prompt, syntax)) {
      for (const auto& word : tokenizer.unknown_words(text)) {
        if (seen.insert(word).second) unknown.push_back(word);
      }
    }
  }
  if (unknown.empty()) return;
  std::string words;
  for (size_t i = 0; i < std::min(unknown.size(), kMost); ++i)
    words += cat(i == 0 ? "" : ", ", quote(unknown[i]));
  if (unknown.size() > kMost) words += cat(" and ", unknown.size() - kMost, " more");
  TORCH_WARN("the embedded model does not know: ", words);
}

}  // namespace xattn::apps
