#include "text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <vector>

#include "core/utf8.h"
#include "text/unicode_versions.h"

namespace xattn::text {
namespace {

/// The ranges are in order.
template <class Range, std::size_t N>
const Range* find_range(const Range (&ranges)[N], char32_t code) {
  const auto* const end = std::end(ranges);
  const auto* const range = std::lower_bound(std::begin(ranges), end, code,
                                             [](const Range& r, char32_t c) { return r.last < c; });
  return range != end && range->first <= code ? range : nullptr;
}

bool is_space(char32_t code) {
  return (code >= 0x09 && code <= 0x0d) || code == 0x20 || code == 0x85 || code == 0xa0 ||
         code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029 ||
         code == 0x202f || code == 0x205f || code == 0x3000;
}

int combining_class(std::int32_t code) {
  return utf8proc_get_property(code)->combining_class;
}

/// Composes a text without inert code points. utf8proc's own decomposition sorts marks in quadratic
/// time.
void append_composed(std::u32string& to, std::u32string_view text) {
  if (std::all_of(text.begin(), text.end(), [](char32_t code) { return code < 0x300; })) {
    to += text;
    return;
  }
  std::vector<std::int32_t> codes;
  codes.reserve(text.size());
  for (const char32_t code : text) {
    constexpr std::size_t kLongest = 16;
    std::int32_t parts[kLongest];
    int unused = 0;
    const auto count = utf8proc_decompose_char(static_cast<std::int32_t>(code), parts, kLongest,
                                               UTF8PROC_DECOMPOSE, &unused);
    codes.insert(codes.end(), parts, parts + count);
  }
  const auto is_mark = [](std::int32_t code) { return combining_class(code) != 0; };
  for (auto at = codes.begin(); at != codes.end();) {
    const auto marks = std::find_if(at, codes.end(), is_mark);
    at = std::find_if_not(marks, codes.end(), is_mark);
    std::stable_sort(marks, at, [](std::int32_t a, std::int32_t b) {
      return combining_class(a) < combining_class(b);
    });
  }
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE);
  const auto count =
      utf8proc_normalize_utf32(codes.data(), static_cast<utf8proc_ssize_t>(codes.size()), options);
  to.append(codes.begin(), codes.begin() + count);
}

void append_lowercase(std::string& to, char32_t code) {
  if (code == 0x130) {  // the only character whose lowercase is two
    to += "i\xcc\x87";
  } else if (const auto* capitals = find_range(kNewerCapitals, code)) {
    append_utf8(to, static_cast<char32_t>(static_cast<int>(code) + capitals->distance));
  } else {
    append_utf8(to, static_cast<char32_t>(utf8proc_tolower(static_cast<std::int32_t>(code))));
  }
}

}  // namespace

CharacterClass character_class(char32_t code) {
  if (is_space(code)) return CharacterClass::kSpace;
  if (find_range(kNewerLetters, code)) return CharacterClass::kLetter;
  if (find_range(kNewerNumbers, code)) return CharacterClass::kNumber;
  if (find_range(kNeitherLettersNorNumbers, code)) return CharacterClass::kOther;
  switch (utf8proc_category(static_cast<std::int32_t>(code))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return CharacterClass::kLetter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return CharacterClass::kNumber;
    default:
      return CharacterClass::kOther;
  }
}

bool is_symbol(char32_t code) {
  switch (utf8proc_category(static_cast<std::int32_t>(code))) {
    case UTF8PROC_CATEGORY_SM:
    case UTF8PROC_CATEGORY_SC:
    case UTF8PROC_CATEGORY_SK:
    case UTF8PROC_CATEGORY_SO:
      return true;
    default:
      return false;
  }
}

std::u32string compose(std::u32string_view text) {
  std::u32string composed;
  composed.reserve(text.size());
  while (!text.empty()) {
    const auto inert = std::find_if(text.begin(), text.end(), [](char32_t code) {
      return find_range(kInertInNfc, code) != nullptr;
    });
    const auto run = static_cast<std::size_t>(inert - text.begin());
    append_composed(composed, text.substr(0, run));
    if (run < text.size()) composed += text[run];
    text.remove_prefix(std::min(run + 1, text.size()));
  }
  return composed;
}

std::string normalize(std::string_view text) {
  std::u32string codes;
  codes.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const auto character = first_character(text.substr(at));
    codes += character.code;
    at += character.size;
  }
  std::string normal;
  normal.reserve(text.size());
  bool after_space = false;
  for (const char32_t code : compose(codes)) {
    const bool space = is_space(code);
    if (!space) {
      append_lowercase(normal, code);
    } else if (!after_space) {
      normal += ' ';
    }
    after_space = space;
  }
  return normal;
}

}  // namespace xattn::text
