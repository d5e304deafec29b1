#pragma once

#include <cstdint>

namespace xattn {

/// What may be read from a picture's file.
struct ImageReadOptions {
  /// The most pixels, height · width. A file of a few bytes can claim any size, so more are refused
  /// before memory is taken. The default is where Pillow gives up too.
  int64_t max_pixels = 178'956'970;
};

}  // namespace xattn
