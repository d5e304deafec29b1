#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace xattn::text {

/// A token that is found in the text itself: tokenizers' `AddedToken`.
struct AddedToken {
  std::string content = {};
  /// Takes the white space before it, after it.
  bool lstrip = false, rstrip = false;
  /// Is found in the normalised text, where the others are found before.
  bool normalized = false;
  /// Is left out by `decode(ids, skip_special_tokens)`.
  bool special = false;
  std::int32_t id = -1;

  bool operator==(const AddedToken&) const = default;
};

/// Finds tokens in a text: the leftmost, and of those the longest. What that takes grows with the
/// text and with the logarithm of the number of tokens.
class AddedTokenFinder {
 public:
  /// Of equal patterns the first counts; an empty one is never found.
  using Patterns = std::vector<std::pair<std::string, AddedToken>>;

  AddedTokenFinder() = default;
  explicit AddedTokenFinder(Patterns patterns);

  /// Calls `take` with the texts between the tokens, where they are not empty, and with the tokens'
  /// ids.
  void split(std::string_view text,
             const std::function<void(std::string_view, std::optional<std::int32_t>)>& take) const;

 private:
  struct Pattern {
    std::string text;
    std::int32_t id;
    bool lstrip, rstrip;
    /// Index of the longest other pattern that this one begins with; its own where there is none.
    std::uint32_t shorter;
  };

  const Pattern* match(std::string_view text) const;

  std::vector<Pattern> patterns_;  ///< In the order of their bytes.
  /// Those of each first byte, [begin, end) in `patterns_`.
  std::array<std::pair<std::uint32_t, std::uint32_t>, 256> with_first_byte_{};
};

}  // namespace xattn::text
