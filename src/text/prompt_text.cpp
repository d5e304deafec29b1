#include "text/prompt_text.h"

#include <utf8proc.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <locale>
#include <sstream>
#include <string>

#include "core/text.h"
#include "core/utf8.h"
#include "text/unicode.h"
#include "xattn/core/error.h"

namespace xattn::text {
namespace {

/// Whether a character that belongs to words ends at `at`.
bool word_ends_at(std::string_view text, std::size_t at) {
  if (at == 0) return false;
  std::size_t start = at - 1;
  while (start > 0 && (text[start] & 0xc0) == 0x80) --start;
  return is_python_word(first_character(text.substr(start)).code);
}

bool word_starts_at(std::string_view text, std::size_t at) {
  return at < text.size() && is_python_word(first_character(text.substr(at)).code);
}

}  // namespace

void check_prompt(std::string_view place, std::string_view prompt) {
  if (const auto at = find_invalid_utf8(prompt); at != std::string_view::npos) {
    throw ValueError(
        cat('[', place, "] prompt: expected UTF-8, got an invalid byte at offset ", at));
  }
}

void check_weight(std::string_view place, double weight, std::string_view words) {
  // Not a comparison with ">", which a NaN would pass.
  if (!(std::abs(weight) <= std::numeric_limits<float>::max())) {
    throw ValueError(cat('[', place, "] weight of ", quote(words),
                         ": expected a number that float32 holds, got a larger one"));
  }
}

void refuse_prompt(std::string_view place, std::string_view expected, std::string_view got) {
  throw ValueError(cat('[', place, "] prompt: expected ", expected, ", got ", quote(got)));
}

bool is_python_space(char32_t code) {
  return character_class(code) == CharacterClass::kSpace || (code >= 0x1c && code <= 0x1f);
}

std::size_t skip_python_space(std::string_view text, std::size_t at) {
  while (at < text.size()) {
    const auto character = first_character(text.substr(at));
    if (!is_python_space(character.code)) break;
    at += character.size;
  }
  return at;
}

bool is_python_word(char32_t code) {
  const auto kind = character_class(code);
  return code == '_' || kind == CharacterClass::kLetter || kind == CharacterClass::kNumber;
}

bool is_decimal(char32_t code) {
  if (code < 0x80) return code >= '0' && code <= '9';
  return utf8proc_category(static_cast<std::int32_t>(code)) == UTF8PROC_CATEGORY_ND;
}

double python_float(std::string_view number) {
  // Not from_chars, which libc++ has for whole numbers only, nor strtod, which asks the locale.
  std::istringstream in{std::string(number)};
  in.imbue(std::locale::classic());
  double value = 0;
  in >> value;
  if (!in.fail() || value == 0) return value;
  return std::copysign(std::numeric_limits<double>::infinity(), value);
}

std::size_t find_word(std::string_view text, std::string_view word, std::size_t from) {
  for (auto at = text.find(word, from); at != text.npos; at = text.find(word, at + 1)) {
    if (!word_ends_at(text, at) && !word_starts_at(text, at + word.size())) return at;
  }
  return text.npos;
}

}  // namespace xattn::text
