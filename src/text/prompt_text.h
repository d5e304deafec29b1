#pragma once

#include <cstddef>
#include <string_view>

namespace xattn::text {

/// How many brackets may be open at once: more are no prompt, and would cost time and stack.
inline constexpr std::size_t kDeepestBrackets = 100;

/// Throws `ValueError` unless the prompt is UTF-8.
void check_prompt(std::string_view place, std::string_view prompt);

/// Throws `ValueError` unless a float32 holds the weight.
void check_weight(std::string_view place, double weight, std::string_view words);

/// Throws `ValueError` "[place] prompt: expected `expected`, got "…"".
[[noreturn]] void refuse_prompt(std::string_view place, std::string_view expected,
                                std::string_view got);

/// What Python's regular expressions match with `\s`.
bool is_python_space(char32_t code);

/// The offset after the white space at `at`.
std::size_t skip_python_space(std::string_view text, std::size_t at);

/// What they match with `\w`.
bool is_python_word(char32_t code);

/// What they match with `\d`; `is_decimal('5')` too.
bool is_decimal(char32_t code);

/// Python's `float` of decimal digits with at most one point and a sign before them. Digits beyond
/// what a double holds give infinity.
double python_float(std::string_view number);

/// The offset of the next `word` at or after `from` that stands alone (`\bword\b`), or npos.
std::size_t find_word(std::string_view text, std::string_view word, std::size_t from = 0);

}  // namespace xattn::text
