#include "pipelines/encode_texts.h"

#include <ATen/ops/cat.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>

#include "core/check.h"
#include "xattn/models/clip/tokenize.h"

namespace xattn {
namespace {

EncodedText encode_plain(const std::string& place, const CLIPTokenizer& tokenizer,
                         const EncodeIds& encode, const std::vector<std::string>& texts) {
  const auto tokens = tokenize(tokenizer, texts);
  for (const auto& cut : tokens.cut) {
    if (cut.empty()) continue;
    TORCH_WARN("[", place, "] prompt: more than ", tokenizer.model_max_length(),
               " tokens; left out: \"", cut, "\"");
  }
  return encode(tokens.input_ids, at::Tensor());
}

/// Texts of equal length, one after the other.
EncodedText one_batch(const std::vector<EncodedText>& texts) {
  EncodedText batch;
  std::vector<at::Tensor> states, pooled;
  for (const auto& text : texts) {
    states.push_back(text.hidden_states);
    if (text.pooled.defined()) pooled.push_back(text.pooled);
  }
  if (!states.empty()) batch.hidden_states = at::cat(states);
  if (!pooled.empty()) batch.pooled = at::cat(pooled);
  return batch;
}

}  // namespace

EncodedPrompts encode_texts(const std::string& place, const TextStage& stage,
                            const std::vector<std::string>& prompts,
                            const std::vector<std::string>& negative_prompts, PromptSyntax syntax,
                            int64_t least_tokens) {
  if (prompts.empty()) throw_value_error(place, "prompt", "a text", "none");
  if (syntax == PromptSyntax::kPlain) {
    EncodedPrompts encoded{encode_plain(place, stage.tokenizer, stage.encode, prompts), {}};
    if (!negative_prompts.empty())
      encoded.negative =
          encode_plain(place, stage.tokenizer, stage.encode_negative, negative_prompts);
    return encoded;
  }
  std::vector<EncodedText> all;
  for (const auto& text : prompts)
    all.push_back(encode_weighted_prompt(stage.tokenizer, stage.encode, text, syntax));
  for (const auto& text : negative_prompts)
    all.push_back(encode_weighted_prompt(stage.tokenizer, stage.encode_negative, text, syntax));
  all = same_length(stage.tokenizer, stage.encode_negative, std::move(all), least_tokens);
  const auto middle = all.begin() + int64_t(prompts.size());
  return {one_batch({all.begin(), middle}), one_batch({middle, all.end()})};
}

std::optional<at::Tensor> on_device(const at::Tensor& mask, at::Device device) {
  return mask.defined() ? std::optional(mask.to(device)) : std::nullopt;
}

std::vector<std::string> for_each_prompt(const std::string& place, const char* name,
                                         const std::vector<std::string>& texts, size_t prompts) {
  if (texts.size() == prompts) return texts;
  if (texts.size() == 1) return std::vector<std::string>(prompts, texts[0]);
  throw_value_error(place, name, fmt::format("1 or {}", prompts), std::to_string(texts.size()));
}

}  // namespace xattn
