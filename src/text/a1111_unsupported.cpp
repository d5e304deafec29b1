// The grammar of prompt editing, as far as it takes to know it:
//
//     prompt     ( "(" prompt [":" prompt] ")" | "[" prompt "]" | edited | alternating | text )*
//     edited     "[" [prompt ":"] [prompt] ":" number "]"
//     alternating  "[" [prompt] ("|" [prompt])+ "]"
//
// A bracket that has no partner, or holds a colon or bar which no rule has, is text, and so is
// every bracket around it.
#include "text/a1111_unsupported.h"

#include <cstddef>
#include <vector>

#include "core/utf8.h"
#include "text/prompt_text.h"

namespace xattn::text {
namespace {

struct OpenBracket {
  std::size_t at;
  int colons = 0;
  bool has_bar = false;
  std::size_t last_colon = 0;
};

bool is_ascii_digit(char c) {
  return c >= '0' && c <= '9';
}

std::size_t skip_digits(std::string_view text, std::size_t at) {
  while (at < text.size() && is_ascii_digit(text[at])) ++at;
  return at;
}

/// Whether the text is a number with white space around it: `SIGNED_NUMBER` of the parser lark.
bool is_number(std::string_view text) {
  auto at = skip_python_space(text, 0);
  if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
  const auto whole = at;
  at = skip_digits(text, at);
  auto digits = at - whole;
  if (at < text.size() && text[at] == '.') {
    const auto fraction = ++at;
    at = skip_digits(text, at);
    digits += at - fraction;
  }
  if (digits == 0) return false;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    const auto exponent = at;
    at = skip_digits(text, at);
    if (at == exponent) return false;
  }
  return skip_python_space(text, at) == text.size();
}

void refuse_editing(std::string_view place, std::string_view prompt) {
  // Parentheses are here as well: what is inside must be whole.
  std::vector<OpenBracket> open;
  for (std::size_t at = 0; at < prompt.size(); ++at) {
    const char c = prompt[at];
    if (c == '\\') {
      ++at;
    } else if (c == '(' || c == '[') {
      open.push_back({at});
    } else if (open.empty()) {
      continue;
    } else if (c == ':') {
      ++open.back().colons;
      open.back().last_colon = at;
    } else if (c == '|') {
      open.back().has_bar = true;
    } else if (c == ')' || c == ']') {
      const auto bracket = open.back();
      open.pop_back();
      const bool round = prompt[bracket.at] == '(';
      if (round != (c == ')')) {
        open.clear();
        continue;
      }
      const auto whole = prompt.substr(bracket.at, at + 1 - bracket.at);
      const bool edits =
          !round && !bracket.has_bar && bracket.colons > 0 && bracket.colons <= 2 &&
          is_number(prompt.substr(bracket.last_colon + 1, at - bracket.last_colon - 1));
      if (edits) {
        refuse_prompt(place, "no prompt editing ([from:to:when]): one text serves all steps",
                      whole);
      }
      if (!round && bracket.has_bar && bracket.colons == 0) {
        refuse_prompt(place, "no alternating words ([one|other]): one text serves all steps",
                      whole);
      }
      if (bracket.has_bar || bracket.colons > (round ? 1 : 0)) open.clear();
    }
  }
}

void refuse_extra_networks(std::string_view place, std::string_view prompt) {
  for (auto at = prompt.find('<'); at != prompt.npos; at = prompt.find('<', at + 1)) {
    auto end = at + 1;
    while (end < prompt.size()) {
      const auto character = first_character(prompt.substr(end));
      if (!is_python_word(character.code)) break;
      end += character.size;
    }
    if (end == at + 1 || end >= prompt.size() || prompt[end] != ':') continue;
    const auto close = prompt.find('>', end);
    if (close == prompt.npos) return;
    if (close == end + 1) continue;
    refuse_prompt(place, "no extra networks (<lora:name:weight>)",
                  prompt.substr(at, close + 1 - at));
  }
}

}  // namespace

void refuse_unsupported_a1111(std::string_view place, std::string_view prompt) {
  if (find_word(prompt, "AND") != prompt.npos) {
    refuse_prompt(place, "no AND, which guides by several texts", prompt);
  }
  refuse_extra_networks(place, prompt);
  refuse_editing(place, prompt);
}

}  // namespace xattn::text
