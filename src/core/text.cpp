#include "core/text.h"

#include "core/utf8.h"

namespace xattn {

std::string hex(std::uint64_t value) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string digits;
  while (value != 0 || digits.size() < 8) {
    digits.insert(digits.begin(), kDigits[value & 0xf]);
    value >>= 4;
  }
  return "0x" + digits;
}

std::string quote(std::string_view text) {
  constexpr std::size_t kLongest = 120;
  constexpr char kDigits[] = "0123456789abcdef";
  const bool utf8 = is_utf8(text);
  std::string result = "'";
  for (const char c : text.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f || (byte >= 0x80 && !utf8)) {
      result += cat("\\x", kDigits[byte >> 4], kDigits[byte & 0xf]);
    } else {
      result += c;
    }
  }
  // A cut may fall inside a character: drop its first bytes too.
  if (utf8 && text.size() > kLongest) {
    while (!is_utf8(std::string_view(result).substr(1))) result.pop_back();
  }
  return text.size() > kLongest ? result + "…'" : result + "'";
}

std::string without_place(std::string_view message) {
  const auto end = message.find("] ");
  const bool has_place = message.starts_with('[') && end != std::string_view::npos;
  return std::string(has_place ? message.substr(end + 2) : message);
}

}  // namespace xattn
