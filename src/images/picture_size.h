#pragma once

#include <cstddef>
#include <cstdint>

#include "io/subject.h"

namespace xattn::images {

/// The sizes of a picture whose pixels are bytes in the order `[height, width, channels]`.
struct PictureSize {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::int64_t channels = 0;

  std::size_t row_bytes() const { return static_cast<std::size_t>(width * channels); }
  std::size_t bytes() const { return static_cast<std::size_t>(height) * row_bytes(); }
};

/// Refuses a picture without pixels or with more than `max_pixels`; called before memory is taken.
/// Both sizes are below 2³¹.
void check_pixel_count(const io::Subject& subject, const PictureSize& size,
                       std::int64_t max_pixels);

}  // namespace xattn::images
