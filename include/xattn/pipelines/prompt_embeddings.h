#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "xattn/text/prompt_syntax.h"

namespace xattn {

/// What pictures are asked for, in words.
struct Prompts {
  std::vector<std::string> prompt;
  /// What is not wanted: one for all prompts, or one for each.
  ///
  /// Without it: the empty text, or zeros where the pipeline's `force_zeros_for_empty_prompt` says
  /// so.
  std::optional<std::vector<std::string>> negative_prompt = std::nullopt;
  /// For the second text encoder of XL; without them, the ones above.
  std::vector<std::string> prompt_2 = {};
  std::optional<std::vector<std::string>> negative_prompt_2 = std::nullopt;
};

/// How prompts are read.
struct EncodePromptOptions {
  /// Whether negative prompts are encoded: guidance needs them.
  bool do_classifier_free_guidance = true;
  /// How many of the encoder's last layers are left out, of the prompts and not of the negative
  /// ones.
  std::optional<int64_t> clip_skip = std::nullopt;
  PromptSyntax prompt_syntax = PromptSyntax::kPlain;
};

/// What the text encoders make of prompts, and all that a pipeline needs of them.
///
/// The names are the originals': they can be computed once, kept, mixed, and given in place of
/// prompts.
struct PromptEmbeddings {
  /// `[P, T, E]`, one for each prompt; the negative ones are undefined without guidance.
  at::Tensor prompt_embeds = {}, negative_prompt_embeds = {};
  /// `[P, D]`, of XL.
  at::Tensor pooled_prompt_embeds = {}, negative_pooled_prompt_embeds = {};
};

}  // namespace xattn
