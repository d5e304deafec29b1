#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
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

/// Finds tokens in a text: the leftmost, and of those the longest.
class AddedTokenFinder {
 public:
  AddedTokenFinder() = default;
  void add(const AddedToken& token, std::string pattern);

  /// Calls `take` with the texts between the tokens, where they are not empty, and with the tokens'
  /// ids.
  void split(std::string_view text,
             const std::function<void(std::string_view, std::optional<std::int32_t>)>& take) const;

 private:
  struct Pattern {
    std::string text;
    std::int32_t id;
    bool lstrip, rstrip;
  };

  const Pattern* match(std::string_view text) const;

  /// By first byte, the longest first.
  std::array<std::vector<Pattern>, 256> patterns_;
  bool empty_ = true;
};

}  // namespace xattn::text
