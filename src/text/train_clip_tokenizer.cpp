#include "xattn/text/train_clip_tokenizer.h"

#include <algorithm>
#include <array>

#include "core/text.h"
#include "core/utf8.h"
#include "text/byte_level.h"
#include "text/byte_pair_encoding.h"
#include "text/learn_merges.h"
#include "text/unicode.h"
#include "text/words.h"
#include "xattn/core/error.h"

namespace xattn {
namespace {

constexpr std::int64_t kUnits = 512;  // a byte, within a word and at its end
constexpr std::int64_t kSpecialTokens = 2;
constexpr std::int64_t kMostTokens = 500'000;  // what the reader of merges.txt takes

[[noreturn]] void refuse_training(std::string_view what) {
  throw ValueError(cat("[CLIPTokenizerTrainer] ", what));
}

void check_training_range(std::string_view name, std::int64_t value, std::int64_t least,
                          std::int64_t most) {
  if (value < least || value > most) {
    refuse_training(cat(name, ": expected ", least, " to ", most, ", got ", value));
  }
}

/// The tokens of single bytes in CLIP's order: those that are visible as they are, then the others.
struct Units {
  std::vector<std::string> tokens;
  std::array<std::int32_t, 256> id_of_byte{};

  Units() {
    // The characters that stand for themselves are one or two bytes of UTF-8 below U+0100, the
    // others are above: so the order of CLIP is the order of the characters.
    std::array<unsigned char, 256> bytes{};
    for (unsigned byte = 0; byte < 256; ++byte) bytes[byte] = static_cast<unsigned char>(byte);
    const auto character = [](unsigned char byte) -> const std::string& {
      return text::character_of_byte(byte);
    };
    std::sort(bytes.begin(), bytes.end(),
              [&](unsigned char a, unsigned char b) { return character(a) < character(b); });
    for (const auto byte : bytes) {
      id_of_byte[byte] = static_cast<std::int32_t>(tokens.size());
      tokens.push_back(character(byte));
    }
    for (std::size_t i = 0; i < 256; ++i) {
      tokens.push_back(tokens[i] + std::string(text::BytePairEncoding::kEndOfWord));
    }
  }

  std::vector<std::int32_t> ids_of(std::string_view word) const {
    std::vector<std::int32_t> ids;
    ids.reserve(word.size());
    for (const char byte : word) ids.push_back(id_of_byte[static_cast<unsigned char>(byte)]);
    ids.back() += 256;
    return ids;
  }
};

}  // namespace

CLIPTokenizerTrainer::CLIPTokenizerTrainer(const CLIPTokenizerTrainingOptions& options)
    : options_(options) {
  check_training_range("vocab_size", options.vocab_size, kUnits + kSpecialTokens, kMostTokens);
  if (options.min_frequency < 1) {
    refuse_training(cat("min_frequency: expected 1 or more, got ", options.min_frequency));
  }
}

void CLIPTokenizerTrainer::add(std::string_view text) {
  if (const auto at = find_invalid_utf8(text); at != std::string_view::npos) {
    refuse_training(cat("text: expected UTF-8, got an invalid byte at offset ", at));
  }
  std::string word_text;
  text::for_each_word(text::normalize(text), [&](std::string_view word) {
    word_text = word;
    ++counts_[word_text];
    ++words_;
  });
}

CLIPVocabulary CLIPTokenizerTrainer::train() const {
  if (counts_.empty()) refuse_training("texts: expected a word, got none");
  const Units units;
  std::vector<text::CountedWord> words;
  words.reserve(counts_.size());
  for (const auto& [word, count] : counts_) words.push_back({units.ids_of(word), count});
  auto learned = text::learn_merges(std::move(words), units.tokens,
                                    static_cast<std::size_t>(options_.vocab_size - kSpecialTokens),
                                    options_.min_frequency);
  CLIPVocabulary vocabulary{std::move(learned.tokens), {}};
  vocabulary.merges.reserve(learned.pairs.size());
  for (const auto& [left, right] : learned.pairs) {
    vocabulary.merges.emplace_back(vocabulary.tokens[left], vocabulary.tokens[right]);
  }
  vocabulary.tokens.emplace_back("<|startoftext|>");
  vocabulary.tokens.emplace_back("<|endoftext|>");
  return vocabulary;
}

}  // namespace xattn
