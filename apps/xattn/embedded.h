#pragma once

#include <string>
#include <vector>

#include "generate_options.h"
#include "xattn/text/clip_tokenizer.h"
#include "xattn/text/prompt_syntax.h"

namespace xattn::apps {

/// Takes the embedded model, and its defaults for what is not set.
///
/// Throws: `FileError` where it is not there.
void use_embedded_model(GenerateOptions& options);

/// Says in one warning which words of prompts the embedded model does not know.
///
/// Throws: `ValueError` where a prompt cannot be read.
void warn_of_unknown_words(const CLIPTokenizer& tokenizer, const std::vector<std::string>& prompts,
                           PromptSyntax syntax);

}  // namespace xattn::apps
