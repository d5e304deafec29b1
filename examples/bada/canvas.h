#pragma once

#include <vector>

#include "color.h"
#include "picture.h"

namespace bada {

/// A rectangle of pixels, upper and left bounds included, lower and right ones not. It may reach
/// beyond the canvas.
struct Area {
  float left, top, right, bottom;
};

/// What is painted on, in floating point: rounding comes once, at the end.
class Canvas {
 public:
  Color& at(int x, int y) { return pixels_[static_cast<size_t>(y) * kSize + x]; }
  const Color& at(int x, int y) const { return pixels_[static_cast<size_t>(y) * kSize + x]; }

  /// Lays a colour over a pixel; `alpha` 1 hides what was there.
  void blend(int x, int y, Color color, float alpha) {
    auto& pixel = at(x, y);
    pixel = mix(pixel, color, clamp01(alpha));
  }

  /// Lays light over a pixel, which never makes it darker (screen: 1 - (1 - a)(1 - b)).
  void shine(int x, int y, Color light, float amount) {
    auto& pixel = at(x, y);
    pixel = {1 - (1 - pixel.r) * (1 - light.r * amount), 1 - (1 - pixel.g) * (1 - light.g * amount),
             1 - (1 - pixel.b) * (1 - light.b * amount)};
  }

  /// Calls `paint(x, y)` for each pixel of an area.
  template <class Paint>
  static void each(Area area, Paint paint) {
    const int left = std::max(0, static_cast<int>(area.left));
    const int top = std::max(0, static_cast<int>(area.top));
    const int right = std::min(kSize, static_cast<int>(area.right) + 1);
    const int bottom = std::min(kSize, static_cast<int>(area.bottom) + 1);
    for (int y = top; y < bottom; ++y) {
      for (int x = left; x < right; ++x) paint(x, y);
    }
  }

  /// Fills a shape. `distance(x, y)` is the signed distance in pixels from its edge, below zero
  /// inside, at a pixel's centre; the edge is one pixel soft. `color(x, y)` is called where needed.
  template <class Distance, class Paint>
  void fill(Area area, Distance distance, Paint color) {
    each(area, [&](int x, int y) {
      const float px = static_cast<float>(x) + 0.5f, py = static_cast<float>(y) + 0.5f;
      const float cover = 0.5f - distance(px, py);
      if (cover > 0) blend(x, y, color(px, py), cover);
    });
  }

  /// Rounded to 8 bits.
  Picture picture() const;

 private:
  std::vector<Color> pixels_ = std::vector<Color>(static_cast<size_t>(kSize) * kSize);
};

}  // namespace bada
