#pragma once

#include <optional>
#include <string>
#include <vector>

#include "xattn/pipelines/prompt_embeddings.h"
#include "xattn/pipelines/weighted_prompt.h"

namespace xattn {

/// A text encoder as prompts see it: clip-skip is for them and not for negative prompts.
struct TextStage {
  const CLIPTokenizer& tokenizer;
  EncodeIds encode, encode_negative;
};

/// What an encoder makes of prompts and of negative prompts, one row for each; the latter undefined
/// where there are none.
struct EncodedPrompts {
  EncodedText prompt, negative;
};

/// Encodes prompts, and as many negative ones or none, in a syntax.
///
/// What of a text does not fit is named in a warning.
/// In a syntax with weights all become as long as the longest, and as `least_tokens`.
EncodedPrompts encode_texts(const std::string& place, const TextStage& stage,
                            const std::vector<std::string>& prompts,
                            const std::vector<std::string>& negative_prompts, PromptSyntax syntax,
                            int64_t least_tokens = 0);

/// A mask where the encoder is; nothing where it is undefined.
std::optional<at::Tensor> on_device(const at::Tensor& mask, at::Device device);

/// As many texts as prompts: one is meant for all of them.
///
/// Throws: `ValueError` for another number.
std::vector<std::string> for_each_prompt(const std::string& place, const char* name,
                                         const std::vector<std::string>& texts, size_t prompts);

}  // namespace xattn
