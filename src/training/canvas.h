#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string_view>
#include <vector>

namespace xattn::training {

/// Red, green and blue, 0…255.
struct Color {
  float red = 0, green = 0, blue = 0;
};

/// A place on a canvas, in pixels from its left upper corner; pixel 0 is from 0 to 1.
struct Point {
  double x = 0, y = 0;
};

/// Where a text is, seen from the point that it is given.
enum class Align { kLeft, kCenter, kRight };

/// A rectangle that nothing is drawn outside of.
struct Box {
  double left = 0, top = 0, right = 0, bottom = 0;
};

/// What diagrams are drawn on: rectangles, smooth lines, and texts in a small font of our own.
class Canvas {
 public:
  Canvas(int64_t height, int64_t width, Color background);

  int64_t height() const { return height_; }
  int64_t width() const { return width_; }

  /// Edges between pixels are blended.
  void fill(const Box& box, Color color, double opacity = 1);

  /// A line through points, round at its ends, of that thickness in pixels, inside a box. It may
  /// cross itself: no pixel is blended twice.
  void line(const std::vector<Point>& points, double thickness, Color color, double opacity,
            const Box& inside);

  /// A disk.
  void dot(Point centre, double radius, Color color);

  /// A line of text whose capitals are 7 · scale pixels high, with its upper edge at `at`. Letters,
  /// digits and signs of ASCII; other characters are boxes.
  void text(Point at, std::string_view text, int scale, Color color, Align align = Align::kLeft);
  /// How wide a text is, in pixels.
  static int64_t text_width(std::string_view text, int scale);

  /// Copies a picture, uint8 `[h, w, 3]`, to that place.
  void picture(int64_t top, int64_t left, const at::Tensor& pixels);

  /// uint8 `[height, width, 3]`
  at::Tensor pixels() const;

 private:
  void blend(int64_t x, int64_t y, Color color, double opacity);

  int64_t height_, width_;
  std::vector<float> values_;
};

}  // namespace xattn::training
