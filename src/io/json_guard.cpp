#include "io/json_guard.h"

#include "core/text.h"

namespace xattn::io {
namespace {

constexpr std::size_t kLongestText = std::size_t{4} << 20;
constexpr std::size_t kLongestWord = 64;
constexpr std::size_t kLongestSpace = std::size_t{1} << 20;

}  // namespace

void guard_json(const Subject& subject, std::string_view json, const JsonLimits& limits) {
  int depth = 0;
  std::size_t word = 0;
  std::size_t space = 0;
  // The parser would take it for the end.
  if (json.find('\0') != std::string_view::npos) {
    subject.fail(cat(limits.what, ": expected a JSON object in UTF-8, got a zero byte"));
  }
  for (std::size_t at = 0; at < json.size(); ++at) {
    const char c = json[at];
    const bool blank = c == ' ' || c == '\n' || c == '\r' || c == '\t';
    space = blank ? space + 1 : 0;
    if (space > kLongestSpace) {
      subject.fail(cat(limits.what, ": expected at most ", kLongestSpace,
                       " bytes of white space in a row, got more at byte ", at));
    }
    if (c == '"') {
      const std::size_t start = ++at;
      while (at < json.size() && json[at] != '"') at += json[at] == '\\' ? 2 : 1;
      if (at - start > kLongestText) {
        subject.fail(cat(limits.what, ": expected texts of at most ", kLongestText,
                         " bytes, got more at byte ", start));
      }
      word = 0;
    } else if (c == '{' || c == '[') {
      if (++depth > limits.depth) {
        subject.fail(cat(limits.what, ": expected at most ", limits.depth,
                         " levels, got more at byte ", at));
      }
      word = 0;
    } else if (c == '}' || c == ']') {
      --depth;
      word = 0;
    } else if (blank || c == ',' || c == ':') {
      word = 0;
    } else if (++word > kLongestWord) {
      subject.fail(cat(limits.what, ": expected JSON, got a word of more than ", kLongestWord,
                       " bytes at byte ", at));
    }
  }
}

}  // namespace xattn::io
