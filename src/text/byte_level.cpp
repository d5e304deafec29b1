#include "text/byte_level.h"

#include <array>
#include <unordered_map>

#include "core/utf8.h"

namespace xattn::text {
namespace {

bool is_visible(unsigned byte) {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

struct Table {
  std::array<std::string, 256> characters;
  std::unordered_map<char32_t, char> bytes;

  Table() {
    char32_t next = 0x100;
    for (unsigned byte = 0; byte < 256; ++byte) {
      const char32_t code = is_visible(byte) ? byte : next++;
      append_utf8(characters[byte], code);
      bytes[code] = static_cast<char>(byte);
    }
  }
};

const Table& table() {
  static const Table table;
  return table;
}

}  // namespace

const std::string& character_of_byte(unsigned char byte) {
  return table().characters[byte];
}

std::string bytes_of_token(std::string_view token) {
  const auto& known = table().bytes;
  std::string bytes;
  for (std::size_t at = 0; at < token.size();) {
    const auto character = first_character(token.substr(at));
    const auto byte = known.find(character.code);
    if (!character.valid || byte == known.end()) return std::string(token);
    bytes += byte->second;
    at += character.size;
  }
  return bytes;
}

}  // namespace xattn::text
