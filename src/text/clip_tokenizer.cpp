#include "xattn/text/clip_tokenizer.h"

#include <algorithm>
#include <map>
#include <set>

#include "core/text.h"
#include "core/utf8.h"
#include "text/added_tokens.h"
#include "text/byte_level.h"
#include "text/byte_pair_encoding.h"
#include "text/clip_tokenizer_files.h"
#include "text/unicode.h"
#include "text/words.h"
#include "xattn/core/error.h"

namespace xattn {
namespace {

std::string replace_all(std::string_view text, std::string_view found, std::string_view by) {
  std::string replaced;
  for (std::size_t at = 0; at < text.size();) {
    const auto next = std::min(text.find(found, at), text.size());
    replaced += text.substr(at, next - at);
    if (next < text.size()) replaced += by;
    at = next + found.size();
  }
  return replaced;
}

/// What Python's `str.strip` takes away.
bool is_stripped(char32_t code) {
  return text::character_class(code) == text::CharacterClass::kSpace ||
         (code >= 0x1c && code <= 0x1f);
}

std::string strip(const std::string& text) {
  std::size_t start = text.size(), end = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto character = first_character(std::string_view(text).substr(at));
    if (!is_stripped(character.code)) {
      start = std::min(start, at);
      end = at + character.size;
    }
    at += character.size;
  }
  return start < end ? text.substr(start, end - start) : "";
}

/// Whether a piece of a text is a word: neither punctuation nor the `'s` of another word.
bool is_word(std::string_view piece) {
  const auto first = text::character_class(first_character(piece).code);
  if (first != text::CharacterClass::kOther) return true;
  for (std::size_t at = 0; at < piece.size();) {
    const auto character = first_character(piece.substr(at));
    if (text::is_symbol(character.code)) return true;
    at += character.size;
  }
  return false;
}

}  // namespace

struct CLIPTokenizer::Data {
  explicit Data(text::CLIPTokenizerFiles files)
      : vocabulary(std::move(files.vocabulary)),
        encoding(vocabulary, files.merges, id_or_none(files.unk_token), files.merges_file),
        model_max_length(files.model_max_length),
        pads_left(files.pads_left),
        truncates_left(files.truncates_left) {
    for (const auto& [token, id] : vocabulary) tokens.emplace(id, token);
    text::AddedTokenFinder::Patterns as_it_is, normal;
    for (const auto& token : files.added_tokens) {
      vocabulary.emplace(token.content, token.id);
      const auto pattern = token.normalized ? text::normalize(token.content) : token.content;
      tokens.insert_or_assign(token.id, pattern);
      if (token.special) special_ids.insert(token.id);
      (token.normalized ? normal : as_it_is).emplace_back(pattern, token);
    }
    in_text = text::AddedTokenFinder(std::move(as_it_is));
    in_normal_text = text::AddedTokenFinder(std::move(normal));
    bos = vocabulary.at(files.bos_token);
    eos = vocabulary.at(files.eos_token);
    pad = vocabulary.at(files.pad_token);
  }

  std::int32_t id_or_none(const std::string& token) const {
    const auto found = vocabulary.find(token);
    return found == vocabulary.end() ? -1 : found->second;
  }

  text::Vocabulary vocabulary;
  text::BytePairEncoding encoding;
  // Ordered: a file chooses the ids, and could choose them to collide in a table of hashes.
  std::map<std::int64_t, std::string> tokens;
  std::set<std::int64_t> special_ids;
  text::AddedTokenFinder in_text, in_normal_text;
  std::int64_t bos = 0, eos = 0, pad = 0;
  std::int64_t model_max_length;
  bool pads_left, truncates_left;
};

CLIPTokenizer::CLIPTokenizer(std::shared_ptr<const Data> data) : data_(std::move(data)) {}

CLIPTokenizer CLIPTokenizer::from_pretrained(const std::string& folder) {
  return CLIPTokenizer(std::make_shared<Data>(text::read_clip_tokenizer("CLIPTokenizer", folder)));
}

template <typename TakeId, typename TakeWord>
void CLIPTokenizer::split(std::string_view text, const TakeId& take_id,
                          const TakeWord& take_word) const {
  if (const auto at = find_invalid_utf8(text); at != std::string_view::npos) {
    throw ValueError(
        cat("[CLIPTokenizer] text: expected UTF-8, got an invalid byte at offset ", at));
  }
  const auto take_normal = [&](std::string_view part, std::optional<std::int32_t> id) {
    id ? take_id(*id) : text::for_each_word(part, take_word);
  };
  data_->in_text.split(text, [&](std::string_view part, std::optional<std::int32_t> id) {
    id ? take_id(*id) : data_->in_normal_text.split(text::normalize(part), take_normal);
  });
}

std::vector<int64_t> CLIPTokenizer::ids_of(std::string_view text) const {
  std::vector<int64_t> ids;
  split(
      text, [&](std::int32_t id) { ids.push_back(id); },
      [&](std::string_view word) { data_->encoding.append_ids(word, ids); });
  return ids;
}

Tokens CLIPTokenizer::encode(std::string_view text, const TokenizeOptions& options) const {
  const auto max_length = options.max_length.value_or(data_->model_max_length);
  const std::int64_t around = options.add_special_tokens ? 2 : 0;
  if (max_length < around) {
    throw ValueError(
        cat("[CLIPTokenizer] max_length: expected at least ", around, ", got ", max_length));
  }
  Tokens tokens;
  tokens.ids = ids_of(text);
  const auto length = static_cast<std::int64_t>(tokens.ids.size());
  if (options.truncation && length > max_length - around) {
    const auto begin = tokens.ids.begin();
    const auto too_many = length - (max_length - around);
    const auto cut = data_->truncates_left ? begin : begin + (length - too_many);
    tokens.overflowing_tokens.assign(cut, cut + too_many);
    tokens.cut = decode(tokens.overflowing_tokens);
    tokens.ids.erase(cut, cut + too_many);
  }
  if (options.add_special_tokens) {
    tokens.ids.insert(tokens.ids.begin(), data_->bos);
    tokens.ids.push_back(data_->eos);
  }
  tokens.attention_mask.assign(tokens.ids.size(), 1);
  if (const auto used = static_cast<std::int64_t>(tokens.ids.size());
      options.padding && used < max_length) {
    const auto add_to = [&](std::vector<int64_t>& row, std::int64_t value) {
      row.insert(data_->pads_left ? row.begin() : row.end(), max_length - used, value);
    };
    add_to(tokens.ids, data_->pad);
    add_to(tokens.attention_mask, 0);
  }
  return tokens;
}

std::vector<std::string> CLIPTokenizer::tokenize(std::string_view text) const {
  std::vector<std::string> tokens;
  for (const auto id : ids_of(text)) tokens.push_back(data_->tokens.at(id));
  return tokens;
}

std::vector<std::string> CLIPTokenizer::unknown_words(std::string_view text) const {
  std::vector<std::string> words;
  std::set<std::string, std::less<>> seen;
  const auto take_word = [&](std::string_view word) {
    if (!is_word(word) || !seen.emplace(word).second) return;
    std::vector<int64_t> ids;
    data_->encoding.append_ids(word, ids);
    const bool is_known = ids.size() == 1 && !data_->special_ids.contains(ids[0]);
    if (!is_known) words.emplace_back(word);
  };
  split(
      text, [](std::int32_t) {}, take_word);
  return words;
}

std::string CLIPTokenizer::decode(std::span<const int64_t> ids, bool skip_special_tokens) const {
  std::string bytes;
  for (const auto id : ids) {
    const auto token = data_->tokens.find(id);
    if (token == data_->tokens.end()) {
      throw ValueError(cat("[CLIPTokenizer] ids: expected ids of the vocabulary, got ", id));
    }
    if (skip_special_tokens && data_->special_ids.contains(id)) continue;
    bytes += text::bytes_of_token(token->second);
  }
  return strip(replace_all(replace_invalid_utf8(bytes), text::BytePairEncoding::kEndOfWord, " "));
}

std::optional<int64_t> CLIPTokenizer::token_to_id(std::string_view token) const {
  const auto found = data_->vocabulary.find(token);
  if (found == data_->vocabulary.end()) return std::nullopt;
  return found->second;
}

int64_t CLIPTokenizer::bos_token_id() const {
  return data_->bos;
}
int64_t CLIPTokenizer::eos_token_id() const {
  return data_->eos;
}
int64_t CLIPTokenizer::pad_token_id() const {
  return data_->pad;
}
int64_t CLIPTokenizer::model_max_length() const {
  return data_->model_max_length;
}
int64_t CLIPTokenizer::size() const {
  return static_cast<int64_t>(data_->tokens.size());
}

}  // namespace xattn
