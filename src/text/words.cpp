#include "text/words.h"

#include "core/utf8.h"
#include "text/unicode.h"

namespace xattn::text {
namespace {

/// The contraction at the start of a text; empty where there is none.
std::string_view contraction(std::string_view text) {
  for (const std::string_view ending : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}) {
    if (text.starts_with(ending)) return ending;
  }
  return {};
}

/// The name in `<|name|>` at the start of a text; empty where there is none.
std::string_view special_name(std::string_view text) {
  if (text.starts_with("<|startoftext|>")) return "startoftext";
  if (text.starts_with("<|endoftext|>")) return "endoftext";
  return {};
}

/// The bytes of the run of one class that a text starts with.
std::size_t run_length(std::string_view text, CharacterClass wanted) {
  std::size_t length = 0;
  while (length < text.size()) {
    const auto character = first_character(text.substr(length));
    if (character_class(character.code) != wanted) break;
    length += character.size;
  }
  return length;
}

}  // namespace

void for_each_word(std::string_view text, const std::function<void(std::string_view)>& take) {
  while (!text.empty()) {
    std::size_t length = 0;
    if (const auto name = special_name(text); !name.empty()) {
      take("<|");
      take(name);
      take("|>");
      length = name.size() + 4;
    } else if (const auto ending = contraction(text); !ending.empty()) {
      take(ending);
      length = ending.size();
    } else {
      const auto first = first_character(text);
      const auto found = character_class(first.code);
      length = found == CharacterClass::kNumber ? first.size : run_length(text, found);
      if (found != CharacterClass::kSpace) take(text.substr(0, length));
    }
    text.remove_prefix(length);
  }
}

}  // namespace xattn::text
