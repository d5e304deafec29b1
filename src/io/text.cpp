#include "text.h"

namespace xattn::io {

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

bool is_utf8(std::string_view text) {
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = p + text.size();
  while (p < end) {
    const unsigned char first = *p++;
    if (first < 0x80) continue;
    int more = 0;
    unsigned char low = 0x80, high = 0xbf;
    if (first >= 0xc2 && first <= 0xdf) {
      more = 1;
    } else if (first >= 0xe0 && first <= 0xef) {
      more = 2;
      if (first == 0xe0) low = 0xa0;   // overlong
      if (first == 0xed) high = 0x9f;  // surrogates
    } else if (first >= 0xf0 && first <= 0xf4) {
      more = 3;
      if (first == 0xf0) low = 0x90;   // overlong
      if (first == 0xf4) high = 0x8f;  // beyond U+10FFFF
    } else {
      return false;
    }
    for (; more > 0; --more, low = 0x80, high = 0xbf) {
      if (p == end || *p < low || *p > high) return false;
      ++p;
    }
  }
  return true;
}

}  // namespace xattn::io
