#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The smallest parts of a compel prompt. Each function takes the offset where a part may begin,
/// and gives the one where it ends, or nothing where there is none.
namespace xattn::text {

bool is_white(char c);

/// The offset after white space.
std::size_t skip_white(std::string_view text, std::size_t at);

/// `sign`, which white space may precede.
std::optional<std::size_t> literal(std::string_view text, std::size_t at, std::string_view sign);

/// `.name(`, with white space before its parts.
std::optional<std::size_t> call(std::string_view text, std::size_t at, std::string_view name);

/// A word: escapes, characters without a meaning, and a "+" or "-" before one of those; `at` where
/// there is none.
std::size_t word_end(std::string_view text, std::size_t at);

/// Letters, digits, "_" and "-".
std::optional<std::size_t> keyword_end(std::string_view text, std::size_t at);

/// Digits with a point and maybe a sign, or without a point and maybe a minus.
///
/// Throws: `ValueError` for digits other than 0 to 9, which the original takes.
std::optional<std::size_t> number_end(std::string_view place, std::string_view text,
                                      std::size_t at);

/// The offset of the quote that ends what the one at `at` begins: on the same line, the first that
/// no backslash precedes, or else the last.
std::optional<std::size_t> closing_quote(std::string_view text, std::size_t at);

/// What stands in quotes as the grammar reads it again: quotes in it are text.
///
/// Throws: `ValueError` for `\0` and its like, which the original takes for characters.
std::string unquoted(std::string_view place, std::string_view quotes);

/// What an operator is called with.
struct CompelOptions {
  /// Where the last ends.
  std::size_t end = 0;
  std::vector<std::string_view> values;
};

/// `name=value`, numbers and names, apart by commas; maybe none.
CompelOptions options(std::string_view place, std::string_view text, std::size_t at);

}  // namespace xattn::text
