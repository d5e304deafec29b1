#pragma once

#include <cstdint>

namespace xattn::apps {

/// What a stream's terminal can do; a file or a pipe can do nothing of it.
struct Terminal {
  bool is_terminal = false;
  /// Whether it moves its cursor and has colours. `NO_COLOR` takes the latter.
  bool has_cursor = false, has_colours = false;
  /// Whether it says, in COLORTERM, that it has all colours of 24 bits.
  bool has_true_colour = false;
  /// Whether it shows more than ASCII, as far as LC_ALL, LC_CTYPE or LANG say.
  bool has_unicode = false;
  int64_t columns = 80, rows = 24;
};

/// The terminal of a file descriptor, as it is now: people change its size.
Terminal terminal_of(int descriptor);

}  // namespace xattn::apps
