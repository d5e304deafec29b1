#pragma once

#include <string>
#include <string_view>

namespace xattn::text {

/// What the words of CLIP's regular expression are made of: `\s`, `\p{L}`, `\p{N}`, and the rest.
enum class CharacterClass { kSpace, kLetter, kNumber, kOther };

CharacterClass character_class(char32_t code);

/// Whether a character is a symbol, such as an emoji: Unicode's categories S.
bool is_symbol(char32_t code);

/// The canonical composition (NFC).
std::u32string compose(std::u32string_view text);

/// NFC, each run of white space as one space, and every character's own lowercase (no final sigma).
/// UTF-8 in and out.
std::string normalize(std::string_view text);

}  // namespace xattn::text
