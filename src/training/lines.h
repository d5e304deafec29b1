#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "io/file.h"

namespace xattn::training {

/// A line of a text file.
struct Line {
  /// From 1.
  std::int64_t number = 0;
  /// Where it begins and where the next one does, in bytes.
  std::uint64_t start = 0, end = 0;
  /// Without its end, "\n" or "\r\n".
  std::string_view text;
  /// Whether it ends with "\n"; the last one may not.
  bool is_whole = false;
};

/// The longest line, in bytes.
inline constexpr std::size_t kLongestLine = std::size_t{1} << 20;

/// Calls `take` with each line, which lives until it returns. Holds one line in memory, whatever
/// the file's size. Throws: `FileError` for a longer line than `kLongestLine`.
void for_each_line(const io::File& file, const std::function<void(const Line&)>& take);

}  // namespace xattn::training
