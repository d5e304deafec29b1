#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/subject.h"
#include "text/added_tokens.h"
#include "text/byte_pair_encoding.h"

namespace xattn::text {

/// What a CLIP tokenizer's folder says, as transformers 5 reads it.
struct CLIPTokenizerFiles {
  Vocabulary vocabulary;
  Merges merges;
  /// The file that the merges are in.
  io::Subject merges_file;
  /// All with their ids, in the ids' order.
  std::vector<AddedToken> added_tokens;
  std::string bos_token, eos_token, unk_token, pad_token;
  std::int64_t model_max_length = 0;
  bool pads_left = false, truncates_left = false;
};

/// Throws: `FileError` "[place] path: …".
CLIPTokenizerFiles read_clip_tokenizer(const std::string& place, const std::string& folder);

}  // namespace xattn::text
