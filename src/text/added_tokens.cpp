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

AddedTokenFinder::AddedTokenFinder(Patterns patterns) {
  std::stable_sort(patterns.begin(), patterns.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  patterns.erase(std::unique(patterns.begin(), patterns.end(),
                             [](const auto& a, const auto& b) { return a.first == b.first; }),
                 patterns.end());
  std::vector<std::uint32_t> beginnings;  // each begins with the one before it
  for (auto& [pattern, token] : patterns) {
    if (pattern.empty()) continue;
    const auto index = static_cast<std::uint32_t>(patterns_.size());
    while (!beginnings.empty() && !pattern.starts_with(patterns_[beginnings.back()].text)) {
      beginnings.pop_back();
    }
    auto& [begin, end] = with_first_byte_[static_cast<unsigned char>(pattern.front())];
    if (begin == end) begin = index;
    end = index + 1;
    patterns_.push_back({std::move(pattern), token.id, token.lstrip, token.rstrip,
                         beginnings.empty() ? index : beginnings.back()});
    beginnings.push_back(index);
  }
}

// The last pattern that is not behind the text begins with each pattern that the text begins with.
const AddedTokenFinder::Pattern* AddedTokenFinder::match(std::string_view text) const {
  const auto [begin, end] = with_first_byte_[static_cast<unsigned char>(text.front())];
  if (begin == end) return nullptr;
  const auto first = patterns_.begin() + begin, last = patterns_.begin() + end;
  const auto behind = std::upper_bound(
      first, last, text,
      [](std::string_view wanted, const Pattern& pattern) { return wanted < pattern.text; });
  if (behind == first) return nullptr;
  const auto* pattern = &*(behind - 1);
  const std::string_view nearest = pattern->text;
  const auto common = static_cast<std::size_t>(
      std::mismatch(nearest.begin(), nearest.end(), text.begin(), text.end()).first -
      nearest.begin());
  while (pattern->text.size() > common) {
    const auto* shorter = &patterns_[pattern->shorter];
    if (shorter == pattern) return nullptr;
    pattern = shorter;
  }
  return pattern;
}

void AddedTokenFinder::split(
    std::string_view text,
    const std::function<void(std::string_view, std::optional<std::int32_t>)>& take) const {
  std::size_t taken = 0;
  for (std::size_t at = 0; !patterns_.empty() && at < text.size();) {
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
