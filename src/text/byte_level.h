#pragma once

#include <string>
#include <string_view>

namespace xattn::text {

/// Byte-level BPE writes every byte as a visible character: ASCII and Latin-1's as themselves, the
/// 68 others as U+0100 and up.

/// The character that stands for a byte, in UTF-8.
const std::string& character_of_byte(unsigned char byte);

/// The bytes that a token's characters stand for; a token with other characters stands for itself.
std::string bytes_of_token(std::string_view token);

}  // namespace xattn::text
