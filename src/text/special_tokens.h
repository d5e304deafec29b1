#pragma once

#include "text/clip_tokenizer_files.h"
#include "text/json_file.h"

namespace xattn::text {

/// The files that say what the special and the added tokens are; those that a folder lacks are
/// empty.
struct SpecialTokenFiles {
  const JsonFile& config;
  const JsonFile& special_tokens_map;
  const JsonFile& added_tokens;
  const JsonFile& tokenizer;
};

/// Sets the named tokens of `files` and its added tokens, whose vocabulary is there already.
void read_special_tokens(const SpecialTokenFiles& sources, CLIPTokenizerFiles& files);

}  // namespace xattn::text
