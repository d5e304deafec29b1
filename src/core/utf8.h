#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace xattn {

/// A character at the start of some bytes; where they are not UTF-8, the bytes to pass over (the
/// "maximal subpart" that U+FFFD stands for).
struct Character {
  char32_t code = 0;
  std::size_t size = 0;
  bool valid = false;
};

/// `bytes` is not empty.
Character first_character(std::string_view bytes);

/// The offset of the first byte that is not part of a character; npos for UTF-8.
std::size_t find_invalid_utf8(std::string_view bytes);

/// True for well-formed UTF-8 (no overlong forms, no surrogates).
bool is_utf8(std::string_view text);

void append_utf8(std::string& to, char32_t code);

/// With U+FFFD where bytes are not UTF-8.
std::string replace_invalid_utf8(std::string_view bytes);

}  // namespace xattn
