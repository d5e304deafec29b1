#include "io/json_guard.h"

#include "core/text.h"

namespace xattn::io {
namespace {

constexpr std::size_t kLongestText = std::size_t{4} << 20;
constexpr std::size_t kLongestWord = 64;
constexpr std::size_t kLongestSpace = std::size_t{1} << 20;
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

}  // namespace

std::string json_guard_problem(std::string_view text, int most_levels) {
  int depth = 0;
  std::size_t word = 0;
  std::size_t space = 0;
  if (text.starts_with(kByteOrderMark))
    return "JSON: expected no byte order mark before it, got one";
  if (const auto at = text.find('\0'); at != text.npos) {
    return cat("JSON: expected a JSON object in UTF-8, got a zero byte at byte ", at);
  }
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    const bool blank = c == ' ' || c == '\n' || c == '\r' || c == '\t';
    space = blank ? space + 1 : 0;
    if (space > kLongestSpace) {
      return cat("JSON: expected at most ", kLongestSpace,
                 " bytes of white space in a row, got more at byte ", at);
    }
    if (c == '"') {
      const std::size_t start = ++at;
      while (at < text.size() && text[at] != '"') at += text[at] == '\\' ? 2 : 1;
      if (at - start > kLongestText) {
        return cat("JSON: expected texts of at most ", kLongestText, " bytes, got more at byte ",
                   start);
      }
      word = 0;
    } else if (c == '{' || c == '[') {
      if (++depth > most_levels) {
        return cat("JSON: expected at most ", most_levels, " levels, got more at byte ", at);
      }
      word = 0;
    } else if (c == '}' || c == ']') {
      --depth;
      word = 0;
    } else if (blank || c == ',' || c == ':') {
      word = 0;
    } else if (++word > kLongestWord) {
      return cat("JSON: expected shorter words, got a word of more than ", kLongestWord,
                 " bytes at byte ", at);
    }
  }
  return {};
}

}  // namespace xattn::io
