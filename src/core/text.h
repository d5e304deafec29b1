#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace xattn {

namespace detail {
inline void append(std::string& to, std::string_view part) {
  to.append(part);
}
inline void append(std::string& to, char part) {
  to.push_back(part);
}
inline void append(std::string& to, std::integral auto part) {
  to.append(std::to_string(part));
}
}  // namespace detail

/// Strings and whole numbers put together; what error messages are built with, so that no format
/// library is needed here.
template <class... Parts>
std::string cat(const Parts&... parts) {
  std::string result;
  (detail::append(result, parts), ...);
  return result;
}

/// `0x` and at least eight hex digits.
std::string hex(std::uint64_t value);

/// Text from a file, made fit for an error message: in quotes, shortened, control bytes escaped.
std::string quote(std::string_view text);

/// An error's message without its "[place] ", to be a part of another's.
std::string without_place(std::string_view message);

/// "[4, 3, 64]"
template <class Sizes>
std::string shape_text(const Sizes& sizes) {
  std::string result = "[";
  for (const auto size : sizes) {
    if (result.size() > 1) result += ", ";
    result += std::to_string(size);
  }
  return result += "]";
}

}  // namespace xattn
