#pragma once

#include <cstdint>
#include <vector>

#include "xattn/images/resize.h"

namespace xattn::images {

/// The weights that make one dimension of a picture another size: for each new pixel, the old ones
/// that count, and how much, as fixed-point numbers.
struct ResizeFilter {
  static constexpr int kPrecision = 22;  // bits behind the point: 8 bits of pixels, 2 of overshoot

  struct Window {
    int64_t first = 0;
    int64_t count = 0;
  };

  std::vector<Window> windows;
  std::vector<int32_t> weights;  // `stride` a window
  int64_t stride = 0;

  const int32_t* weights_of(int64_t i) const { return weights.data() + i * stride; }
};

/// The filter for a dimension of `from` pixels to become `to`; not for `kNearest`.
ResizeFilter make_resize_filter(Resampling resampling, int64_t from, int64_t to);

/// For `kNearest`: the old pixel that each new one shows, or −1 where rounding leaves the picture.
std::vector<int64_t> nearest_pixels(int64_t from, int64_t to);

}  // namespace xattn::images
