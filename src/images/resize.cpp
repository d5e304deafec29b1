#include "xattn/images/resize.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "core/check.h"
#include "images/check_pixels.h"
#include "images/resize_filter.h"

namespace xattn {
namespace {

using images::PictureSize;
using images::ResizeFilter;

constexpr auto kResizePlace = "resize";
constexpr int32_t kHalf = int32_t{1} << (ResizeFilter::kPrecision - 1);

uint8_t to_pixel(int32_t sum) {
  return static_cast<uint8_t>(std::clamp(sum >> ResizeFilter::kPrecision, 0, 255));
}

/// Lines of work that are worth a thread.
int64_t lines_a_thread(int64_t products_a_line) {
  constexpr int64_t kProducts = 32768;
  return std::max<int64_t>(1, kProducts / products_a_line);
}

template <int kChannels>
void resize_line(const ResizeFilter& filter, const uint8_t* from, uint8_t* to) {
  for (size_t x = 0; x < filter.windows.size(); ++x) {
    const auto window = filter.windows[x];
    const auto* weights = filter.weights_of(static_cast<int64_t>(x));
    const auto* pixel = from + window.first * kChannels;
    int32_t sums[kChannels];
    std::fill_n(sums, kChannels, kHalf);
    for (int64_t i = 0; i < window.count; ++i, pixel += kChannels) {
      for (int c = 0; c < kChannels; ++c) sums[c] += weights[i] * pixel[c];
    }
    for (int c = 0; c < kChannels; ++c) *to++ = to_pixel(sums[c]);
  }
}

using LineFunction = void (*)(const ResizeFilter&, const uint8_t*, uint8_t*);

/// Changes the width, line by line.
at::Tensor resize_width(const at::Tensor& pixels, const ResizeFilter& filter) {
  static constexpr LineFunction kLines[] = {resize_line<1>, resize_line<2>, resize_line<3>,
                                            resize_line<4>};
  const PictureSize from{pixels.size(0), pixels.size(1), pixels.size(2)};
  const PictureSize to{from.height, static_cast<int64_t>(filter.windows.size()), from.channels};
  auto result = images::empty_pixels(to);
  const auto* source = pixels.const_data_ptr<uint8_t>();
  auto* target = result.mutable_data_ptr<uint8_t>();
  const auto line = kLines[from.channels - 1];
  const auto work = to.width * to.channels * filter.stride;
  at::parallel_for(0, from.height, lines_a_thread(work), [&](int64_t begin, int64_t end) {
    for (int64_t y = begin; y < end; ++y) {
      line(filter, source + static_cast<size_t>(y) * from.row_bytes(),
           target + static_cast<size_t>(y) * to.row_bytes());
    }
  });
  return result;
}

/// Changes the height: a new line is a weighted sum of old ones.
at::Tensor resize_height(const at::Tensor& pixels, const ResizeFilter& filter) {
  const PictureSize from{pixels.size(0), pixels.size(1), pixels.size(2)};
  const PictureSize to{static_cast<int64_t>(filter.windows.size()), from.width, from.channels};
  auto result = images::empty_pixels(to);
  const auto* source = pixels.const_data_ptr<uint8_t>();
  auto* target = result.mutable_data_ptr<uint8_t>();
  const auto row = from.row_bytes();
  const auto work = static_cast<int64_t>(row) * filter.stride;
  at::parallel_for(0, to.height, lines_a_thread(work), [&](int64_t begin, int64_t end) {
    std::vector<int32_t> sums(row);
    for (int64_t y = begin; y < end; ++y) {
      const auto window = filter.windows[static_cast<size_t>(y)];
      const auto* weights = filter.weights_of(y);
      std::fill(sums.begin(), sums.end(), kHalf);
      for (int64_t i = 0; i < window.count; ++i) {
        const auto* line = source + static_cast<size_t>(window.first + i) * row;
        const int32_t weight = weights[i];
        for (size_t x = 0; x < row; ++x) sums[x] += weight * line[x];
      }
      auto* line = target + static_cast<size_t>(y) * row;
      for (size_t x = 0; x < row; ++x) line[x] = to_pixel(sums[x]);
    }
  });
  return result;
}

at::Tensor resize_by_filter(at::Tensor pixels, int64_t height, int64_t width,
                            Resampling resampling) {
  const auto old_height = pixels.size(0), old_width = pixels.size(1);
  const auto change_width = [&] {
    if (width == old_width) return;
    pixels = resize_width(pixels, images::make_resize_filter(resampling, old_width, width));
  };
  const auto change_height = [&] {
    if (height == old_height) return;
    pixels = resize_height(pixels, images::make_resize_filter(resampling, old_height, height));
  };
  // As Pillow since 13.0, which found it faster. The order shows, for each pass rounds.
  if (height < old_height && 2 * (old_width - width) < old_height - height) {
    change_height();
    change_width();
  } else {
    change_width();
    change_height();
  }
  return pixels;
}

at::Tensor resize_to_nearest(const at::Tensor& pixels, int64_t height, int64_t width) {
  const PictureSize from{pixels.size(0), pixels.size(1), pixels.size(2)};
  const PictureSize to{height, width, from.channels};
  const auto lines = images::nearest_pixels(from.height, height);
  const auto columns = images::nearest_pixels(from.width, width);
  auto result = images::empty_pixels(to);
  const auto* source = pixels.const_data_ptr<uint8_t>();
  auto* target = result.mutable_data_ptr<uint8_t>();
  const auto channels = static_cast<size_t>(from.channels);
  for (const auto line : lines) {
    for (const auto column : columns) {
      if (line < 0 || column < 0) {
        std::memset(target, 0, channels);
      } else {
        std::memcpy(target,
                    source + static_cast<size_t>(line) * from.row_bytes() +
                        static_cast<size_t>(column) * channels,
                    channels);
      }
      target += channels;
    }
  }
  return result;
}

/// color · alpha / 255, rounded.
uint8_t premultiplied(int color, int alpha) {
  const int product = color * alpha + 128;
  return static_cast<uint8_t>(((product >> 8) + product) >> 8);
}

/// color · 255 / alpha, rounded down.
uint8_t divided(int color, int alpha) {
  if (alpha == 0 || alpha == 255) return static_cast<uint8_t>(color);
  return static_cast<uint8_t>(std::min(255, 255 * color / alpha));
}

template <class Function>
at::Tensor with_alpha(const at::Tensor& pixels, const Function& function) {
  auto result = at::empty_like(pixels);
  const auto* from = pixels.const_data_ptr<uint8_t>();
  auto* to = result.mutable_data_ptr<uint8_t>();
  const auto channels = pixels.size(2);
  for (int64_t i = 0; i < pixels.numel(); i += channels, from += channels, to += channels) {
    const auto alpha = from[channels - 1];
    for (int64_t c = 0; c + 1 < channels; ++c) to[c] = function(from[c], alpha);
    to[channels - 1] = alpha;
  }
  return result;
}

}  // namespace

at::Tensor resize(const at::Tensor& pixels, int64_t height, int64_t width, Resampling resampling) {
  const auto size = images::check_pixels(kResizePlace, "pixels", pixels);
  for (const auto& [name, value] : {std::pair{"height", height}, std::pair{"width", width}}) {
    if (value < 1 || value > std::numeric_limits<int32_t>::max()) {
      throw_value_error(kResizePlace, name, "1 to 2147483647", std::to_string(value));
    }
  }
  if (height == size.height && width == size.width) {
    return pixels.clone(at::MemoryFormat::Contiguous);
  }
  const auto plain = pixels.contiguous();
  if (resampling == Resampling::kNearest) return resize_to_nearest(plain, height, width);
  if (size.channels % 2 != 0) return resize_by_filter(plain, height, width, resampling);
  return with_alpha(resize_by_filter(with_alpha(plain, premultiplied), height, width, resampling),
                    divided);
}

}  // namespace xattn
