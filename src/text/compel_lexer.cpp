#include "text/compel_lexer.h"

#include "core/utf8.h"
#include "text/prompt_text.h"

namespace xattn::text {
namespace {

bool is_syntactic(char c) {
  return std::string_view("()\",.+-=").find(c) != std::string_view::npos;
}

bool is_ascii_number(char c) {
  return c >= '0' && c <= '9';
}

bool is_keyword_part(char c) {
  return is_ascii_number(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         c == '-';
}

std::size_t digits_end(std::string_view text, std::size_t at) {
  while (at < text.size()) {
    const auto character = first_character(text.substr(at));
    if (!is_decimal(character.code)) break;
    at += character.size;
  }
  return at;
}

std::size_t checked_number(std::string_view place, std::string_view text, std::size_t start,
                           std::size_t end) {
  for (auto at = start; at < end; ++at) {
    if (static_cast<unsigned char>(text[at]) >= 0x80) {
      refuse_prompt(place, "a weight in the digits 0 to 9", text.substr(start, end - start));
    }
  }
  return end;
}

/// The original takes `\0`, `\13`, `\xa2` and `\ua4`, alike in their last digit, for characters.
bool is_number_escape(std::string_view after) {
  const auto at = [&](std::size_t i) { return i < after.size() ? after[i] : ' '; };
  const auto is_hex = [](char c) {
    return is_ascii_number(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  };
  return at(0) == '0' || (at(0) >= '0' && at(0) <= '7' && at(1) == '3') ||
         (at(0) == 'x' && is_hex(at(1)) && at(2) == '2') ||
         (at(0) == 'u' && is_hex(at(1)) && at(2) == '4');
}

std::optional<std::size_t> option_end(std::string_view place, std::string_view text,
                                      std::size_t at) {
  const auto name = keyword_end(text, at);
  if (const auto equals = name ? literal(text, *name, "=") : std::nullopt) {
    if (const auto number = number_end(place, text, skip_white(text, *equals))) return number;
    if (const auto value = keyword_end(text, *equals)) return value;
  }
  const auto number = number_end(place, text, at);
  return number ? number : name;
}

}  // namespace

bool is_white(char c) {
  return c == ' ' || c == '\n' || c == '\r';
}

std::size_t skip_white(std::string_view text, std::size_t at) {
  while (at < text.size() && is_white(text[at])) ++at;
  return at;
}

std::optional<std::size_t> literal(std::string_view text, std::size_t at, std::string_view sign) {
  at = skip_white(text, at);
  if (!text.substr(at).starts_with(sign)) return std::nullopt;
  return at + sign.size();
}

std::optional<std::size_t> call(std::string_view text, std::size_t at, std::string_view name) {
  const auto end = literal(text, at, name);
  return end ? literal(text, *end, "(") : std::nullopt;
}

std::size_t word_end(std::string_view text, std::size_t at) {
  while (at < text.size()) {
    const char c = text[at];
    const bool last = at + 1 == text.size();
    if (c == '\\' && !last && is_syntactic(text[at + 1])) {
      at += 2;
    } else if (c == '+' || c == '-') {
      if (last || is_white(text[at + 1]) || is_syntactic(text[at + 1])) break;
      ++at;
    } else if (is_white(c) || is_syntactic(c)) {
      break;
    } else {
      ++at;
    }
  }
  return at;
}

std::optional<std::size_t> keyword_end(std::string_view text, std::size_t at) {
  const auto start = skip_white(text, at);
  auto end = start;
  while (end < text.size() && is_keyword_part(text[end])) ++end;
  return end > start ? std::optional(end) : std::nullopt;
}

std::optional<std::size_t> number_end(std::string_view place, std::string_view text,
                                      std::size_t at) {
  const bool has_sign = at < text.size() && (text[at] == '+' || text[at] == '-');
  const auto whole = has_sign ? at + 1 : at;
  const auto point = digits_end(text, whole);
  if (point < text.size() && text[point] == '.') {
    const auto end = digits_end(text, point + 1);
    if (point > whole || end > point + 1) return checked_number(place, text, at, end);
  }
  const auto start = has_sign && text[at] == '-' ? at + 1 : at;
  auto end = start;
  while (end < text.size() && is_ascii_number(text[end])) ++end;
  return end > start ? std::optional(end) : std::nullopt;
}

std::optional<std::size_t> closing_quote(std::string_view text, std::size_t at) {
  std::optional<std::size_t> escaped;
  for (auto end = at + 1; end < text.size() && text[end] != '\n' && text[end] != '\r'; ++end) {
    if (text[end] != '"') continue;
    if (text[end - 1] != '\\') return end;
    escaped = end;
  }
  return escaped;
}

std::string unquoted(std::string_view place, std::string_view quotes) {
  std::string content;
  for (std::size_t i = 0; i < quotes.size(); ++i) {
    const char c = quotes[i], next = i + 1 < quotes.size() ? quotes[i + 1] : '\0';
    if (c != '\\') {
      content += c;
    } else if (next == 't' || next == 'f') {
      content += ' ';
      ++i;
    } else if (next == 'n' || next == 'r') {
      content += '\n';
      ++i;
    } else if (next == '"') {
      content += "\\\"";
      ++i;
    } else if (is_number_escape(quotes.substr(i + 1))) {
      refuse_prompt(place, "no escapes with numbers in quotes", quotes.substr(i));
    } else {
      content += c;
    }
  }
  return content;
}

CompelOptions options(std::string_view place, std::string_view text, std::size_t at) {
  CompelOptions found{at, {}};
  while (true) {
    at = skip_white(text, at);
    const auto end = option_end(place, text, at);
    if (!end) return found;
    found.values.push_back(text.substr(at, *end - at));
    found.end = *end;
    const auto comma = literal(text, *end, ",");
    if (!comma) return found;
    at = *comma;
  }
}

}  // namespace xattn::text
