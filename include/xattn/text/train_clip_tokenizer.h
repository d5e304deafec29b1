#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "xattn/core/export.h"

namespace xattn {

/// How a `CLIPTokenizerTrainer` makes a vocabulary.
struct CLIPTokenizerTrainingOptions {
  /// The most tokens, the 512 of single bytes and the two special ones included; a text encoder's
  /// config has the same number. CLIP's own has 49408.
  int64_t vocab_size = 49408;
  /// How often a pair must be in the texts to become a token.
  int64_t min_frequency = 2;
};

/// What a tokenizer of CLIP's kind knows.
struct CLIPVocabulary {
  /// The tokens in the order of their ids: 256 bytes, the same at a word's end (`</w>`), one for
  /// each merge, `<|startoftext|>` and `<|endoftext|>`.
  std::vector<std::string> tokens;
  /// What is merged, the first first.
  std::vector<std::pair<std::string, std::string>> merges;
};

/// Learns from texts the byte-level BPE that `CLIPTokenizer` reads.
///
/// A text is normalised and split into words as `CLIPTokenizer` does it. Then, again and again, the
/// pair of neighbouring tokens that is most frequent becomes a token; of equally frequent pairs the
/// one whose left token has the lower id, and of those whose right one has. Words count as often as
/// they are in the texts, whose order does not matter.
///
/// Time grows a little faster than the number of different words, memory with it; the texts are not
/// kept.
///
/// Throws: `ValueError` for options out of range (`vocab_size` 514 to 500000, `min_frequency` 1 or
/// more) and for a text that is not UTF-8, naming the byte.
///
/// Reference: tokenizers 0.23.3, models/bpe/trainer.rs, `BpeTrainer`, whose 512 first tokens are
/// those of single bytes; there a pair that comes back after it was merged may get a second merge.
class XATTN_API CLIPTokenizerTrainer {
 public:
  explicit CLIPTokenizerTrainer(const CLIPTokenizerTrainingOptions& options = {});

  /// Counts the words of a text.
  void add(std::string_view text);

  /// The vocabulary of all texts so far. It has fewer tokens than `vocab_size` where no pair is
  /// left that is frequent enough. Throws: `ValueError` where no text had a word.
  CLIPVocabulary train() const;

  /// How many words the texts have, and how many different ones.
  int64_t words() const { return words_; }
  int64_t different_words() const { return static_cast<int64_t>(counts_.size()); }

 private:
  CLIPTokenizerTrainingOptions options_;
  /// Ordered: texts could choose words that collide in a table of hashes.
  std::map<std::string, int64_t> counts_;
  int64_t words_ = 0;
};

/// Writes `vocab.json`, `merges.txt`, `tokenizer_config.json` and `special_tokens_map.json`, which
/// `CLIPTokenizer::from_pretrained` reads, ours and transformers'. Makes the folder.
///
/// `model_max_length` is the number of ids that the text encoder takes, 2 to 1000000.
///
/// Throws: `ValueError` for another length; `FileError` where a file cannot be written, and where
/// the folder has a `tokenizer.json` or `added_tokens.json`, which would count beside these.
XATTN_API void save_clip_tokenizer(const std::string& folder, const CLIPVocabulary& vocabulary,
                                   int64_t model_max_length = 77);

}  // namespace xattn
