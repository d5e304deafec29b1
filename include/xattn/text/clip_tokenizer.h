#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "xattn/core/export.h"

namespace xattn {

/// How `CLIPTokenizer::encode` makes a row of ids; the defaults are a diffusion pipeline's.
struct TokenizeOptions {
  /// Whether the bos token is put before the text and the eos token after it.
  bool add_special_tokens = true;
  /// Whether the row is filled up to `max_length` with the pad token.
  bool padding = true;
  /// Whether a text that does not fit into `max_length`, with its special tokens, is cut.
  bool truncation = true;
  /// Without it, the tokenizer's `model_max_length`.
  std::optional<int64_t> max_length = std::nullopt;
};

/// A text as a text encoder takes it.
struct Tokens {
  /// The original's `input_ids`.
  std::vector<int64_t> ids;
  /// One for each id of the text, zero for padding.
  std::vector<int64_t> attention_mask;
  /// The ids that truncation took away; empty where all of the text fits.
  std::vector<int64_t> overflowing_tokens;
  /// The text of those ids, for a warning.
  std::string cut;
};

/// The byte-level BPE tokenizer of CLIP's text encoders.
///
/// A text is composed (NFC), its white space is collapsed, and it is lowercased and split into
/// words: letters, single digits, runs of anything else, `'s` and its like. Then each word's bytes
/// are merged pair by pair. Special and added tokens in the text are found first, as the original
/// finds them. The ids are the original's for every UTF-8 text, whichever version of Unicode from
/// 15 to 17 utf8proc knows.
///
/// A tokenizer is cheap to copy. All methods may be called from many threads at once.
///
/// `tokenize` in xattn/models/clip/tokenize.h encodes many texts into one tensor.
///
/// Throws: `ValueError` for a text that is not UTF-8, naming the byte, and for ids that no token
/// has.
///
/// Reference: transformers 5.23.0, models/clip/tokenization_clip.py, `CLIPTokenizer`.
class XATTN_API CLIPTokenizer {
 public:
  /// Reads `tokenizer.json`, or `vocab.json` and `merges.txt` where there is none. It also reads
  /// `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json`.
  ///
  /// A `model_max_length` that is missing, or is transformers' "very large integer", is 77.
  ///
  /// Throws: `FileError` for files that are missing, broken or contradict each other, and for what
  /// is not implemented (`single_word`, `split_special_tokens`).
  static CLIPTokenizer from_pretrained(const std::string& folder);

  /// The text's ids, with special tokens, truncated and padded as `options` say.
  Tokens encode(std::string_view text, const TokenizeOptions& options = {}) const;

  /// The text's tokens, without bos and eos: `a</w>`, `pho`, `to</w>`.
  std::vector<std::string> tokenize(std::string_view text) const;

  /// The words of a text, lowercased, that are not one whole token, each once: of a tokenizer that
  /// learnt its tokens from a model's captions, the words that the model has hardly seen.
  /// Punctuation, `'s` and its like are no words.
  std::vector<std::string> unknown_words(std::string_view text) const;

  /// The text of ids, lowercased as it was for them; bytes that are not UTF-8 become U+FFFD.
  std::string decode(std::span<const int64_t> ids, bool skip_special_tokens = false) const;

  /// The id of a token; nothing where the vocabulary has no such token.
  std::optional<int64_t> token_to_id(std::string_view token) const;

  int64_t bos_token_id() const;
  int64_t eos_token_id() const;
  int64_t pad_token_id() const;
  /// The most ids that the text encoder takes.
  int64_t model_max_length() const;
  /// The number of tokens, added ones included: Python's `len(tokenizer)`.
  int64_t size() const;

 private:
  struct Data;
  explicit CLIPTokenizer(std::shared_ptr<const Data> data);
  /// Calls `take_id` with the tokens that stand in a text as they are, and `take_word` with the
  /// words between them.
  template <typename TakeId, typename TakeWord>
  void split(std::string_view text, const TakeId& take_id, const TakeWord& take_word) const;
  std::vector<int64_t> ids_of(std::string_view text) const;

  std::shared_ptr<const Data> data_;
};

}  // namespace xattn
