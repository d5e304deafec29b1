#pragma once
#include <ATen/core/Tensor.h>
#include <functional>
#include "xattn/text/clip_tokenizer.h"
#include "xattn/text/prompt_syntax.h"
namespace xattn {
struct EncodedText { at::Tensor hidden_states; at::Tensor pooled; };
using EncodeIds = std::function<EncodedText(const at::Tensor&)>;
EncodedText encode_weighted_prompt(const CLIPTokenizer&, const EncodeIds&, const std::string&, PromptSyntax);
std::vector<EncodedText> same_length(const CLIPTokenizer&, const EncodeIds&, std::vector<EncodedText>, PromptSyntax);
}
