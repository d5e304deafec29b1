#include "text/added_tokens.h"

#include <algorithm>

#include "core/utf8.h"
#include "text/unicode.h"

namespace xattn::text {
namespace {

bool is_space_at(std::string_view text, std::size_t at, std::size_t& size) {
  const auto character = first_character(text.substr(at));
  size = character.size;
  return character_class(character.code) == CharacterClass::kSpace;
}

/// Where the white space at the end of text[0, end) begins, but not before `least`.
std::size_t without_spaces(std::string_view text, std::size_t least, std::size_t end) {
  std::size_t size = 0;
  while (end > least) {
    auto start = end - 1;
    while (start > least && (static_cast<unsigned char>(text[start]) & 0xc0) == 0x80) --start;
    if (!is_space_at(text, start, size)) break;
    end = start;
  }
  return end;
}

}  // namespace

void AddedTokenFinder::add(const AddedToken& token, std::string pattern) {
  if (pattern.empty()) return;
  empty_ = false;
  auto& patterns = patterns_[static_cast<unsigned char>(pattern.front())];
  const auto place = std::find_if(patterns.begin(), patterns.end(), [&](const Pattern& other) {
    return other.text.size() < pattern.size();
  });
  patterns.insert(place, {std::move(pattern), token.id, token.lstrip, token.rstrip});
}

const AddedTokenFinder::Pattern* AddedTokenFinder::match(std::string_view text) const {
  for (const auto& pattern : patterns_[static_cast<unsigned char>(text.front())]) {
    if (text.starts_with(pattern.text)) return &pattern;
  }
  return nullptr;
}

void AddedTokenFinder::split(
    std::string_view text,
    const std::function<void(std::string_view, std::optional<std::int32_t>)>& take) const {
  std::size_t taken = 0;
  for (std::size_t at = 0; !empty_ && at < text.size();) {
    const auto* pattern = match(text.substr(at));
    if (!pattern) {
      ++at;
      continue;
    }
    auto end = at + pattern->text.size();
    const auto start = pattern->lstrip ? without_spaces(text, taken, at) : at;
    for (std::size_t size = 0;
         pattern->rstrip && end < text.size() && is_space_at(text, end, size);)
      end += size;
    if (taken < start) take(text.substr(taken, start - taken), std::nullopt);
    take({}, pattern->id);
    taken = at = end;
  }
  if (taken < text.size()) take(text.substr(taken), std::nullopt);
}

}  // namespace xattn::text
