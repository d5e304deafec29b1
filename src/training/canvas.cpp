#include "training/canvas.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>

#include "core/utf8.h"
#include "training/font.h"

namespace xattn::training {
namespace {

double distance_to_segment(Point p, Point a, Point b) {
  const auto dx = b.x - a.x, dy = b.y - a.y;
  const auto length = dx * dx + dy * dy;
  const auto along =
      length == 0 ? 0 : std::clamp(((p.x - a.x) * dx + (p.y - a.y) * dy) / length, 0.0, 1.0);
  return std::hypot(p.x - a.x - along * dx, p.y - a.y - along * dy);
}

/// The pixels that [from, to] touches, within 0 … size − 1.
struct PixelRange {
  PixelRange(double from, double to, int64_t size)
      : first(static_cast<int64_t>(std::floor(std::clamp(from, 0.0, static_cast<double>(size))))),
        end(static_cast<int64_t>(std::ceil(std::clamp(to, 0.0, static_cast<double>(size))))) {}
  int64_t first, end;
};

/// How much of pixel `at` is in [from, to].
double part_inside(int64_t at, double from, double to) {
  const auto start = static_cast<double>(at);
  return std::clamp(std::min(start + 1, to) - std::max(start, from), 0.0, 1.0);
}

}  // namespace

Canvas::Canvas(int64_t height, int64_t width, Color background)
    : height_(height), width_(width), values_(static_cast<size_t>(3 * height * width)) {
  for (size_t i = 0; i < values_.size(); i += 3) {
    values_[i] = background.red;
    values_[i + 1] = background.green;
    values_[i + 2] = background.blue;
  }
}

void Canvas::blend(int64_t x, int64_t y, Color color, double opacity) {
  auto* value = values_.data() + 3 * (y * width_ + x);
  const auto part = static_cast<float>(opacity);
  value[0] += part * (color.red - value[0]);
  value[1] += part * (color.green - value[1]);
  value[2] += part * (color.blue - value[2]);
}

void Canvas::fill(const Box& box, Color color, double opacity) {
  const PixelRange rows(box.top, box.bottom, height_), columns(box.left, box.right, width_);
  for (auto y = rows.first; y < rows.end; ++y) {
    for (auto x = columns.first; x < columns.end; ++x) {
      blend(x, y, color,
            opacity * part_inside(x, box.left, box.right) * part_inside(y, box.top, box.bottom));
    }
  }
}

void Canvas::line(const std::vector<Point>& points, double thickness, Color color, double opacity,
                  const Box& inside) {
  if (points.empty()) return;
  const PixelRange rows(inside.top, inside.bottom, height_),
      columns(inside.left, inside.right, width_);
  const auto box_width = columns.end - columns.first;
  if (box_width <= 0 || rows.end <= rows.first) return;
  // How much of each pixel is covered, by whichever part of the line covers most.
  std::vector<float> covered(static_cast<size_t>(box_width * (rows.end - rows.first)));
  const auto reach = thickness / 2 + 1;
  for (size_t i = 0; i < points.size(); ++i) {
    const auto& a = points[i];
    const auto& b = points[i + 1 < points.size() ? i + 1 : i];
    const PixelRange own_rows(std::min(a.y, b.y) - reach, std::max(a.y, b.y) + reach, height_),
        own_columns(std::min(a.x, b.x) - reach, std::max(a.x, b.x) + reach, width_);
    for (auto y = std::max(rows.first, own_rows.first); y < std::min(rows.end, own_rows.end); ++y) {
      for (auto x = std::max(columns.first, own_columns.first);
           x < std::min(columns.end, own_columns.end); ++x) {
        const Point centre{static_cast<double>(x) + 0.5, static_cast<double>(y) + 0.5};
        const auto part = static_cast<float>(
            std::clamp(thickness / 2 + 0.5 - distance_to_segment(centre, a, b), 0.0, 1.0));
        auto& most = covered[static_cast<size_t>((y - rows.first) * box_width + x - columns.first)];
        most = std::max(most, part);
      }
    }
  }
  for (auto y = rows.first; y < rows.end; ++y) {
    for (auto x = columns.first; x < columns.end; ++x) {
      const auto part =
          covered[static_cast<size_t>((y - rows.first) * box_width + x - columns.first)];
      if (part > 0) blend(x, y, color, opacity * static_cast<double>(part));
    }
  }
}

void Canvas::dot(Point centre, double radius, Color color) {
  line({centre}, 2 * radius, color, 1,
       {0, 0, static_cast<double>(width_), static_cast<double>(height_)});
}

int64_t Canvas::text_width(std::string_view text, int scale) {
  int64_t characters = 0;
  while (!text.empty()) {
    text.remove_prefix(first_character(text).size);
    ++characters;
  }
  return characters == 0 ? 0 : scale * (characters * kGlyphAdvance - (kGlyphAdvance - kGlyphWidth));
}

void Canvas::text(Point at, std::string_view text, int scale, Color color, Align align) {
  const auto width = static_cast<double>(text_width(text, scale));
  auto x = std::round(at.x - (align == Align::kLeft    ? 0
                              : align == Align::kRight ? width
                                                       : width / 2));
  const auto y = std::round(at.y);
  while (!text.empty()) {
    const auto character = first_character(text);
    text.remove_prefix(character.size);
    const auto glyph = glyph_of(character.valid ? character.code : 0);
    for (size_t row = 0; row < glyph.size(); ++row) {
      for (int column = 0; column < kGlyphWidth; ++column) {
        if ((glyph[row] >> (kGlyphWidth - 1 - column) & 1) == 0) continue;
        const auto left = x + scale * column, top = y + scale * static_cast<double>(row);
        fill({left, top, left + scale, top + scale}, color);
      }
    }
    x += scale * kGlyphAdvance;
  }
}

void Canvas::picture(int64_t top, int64_t left, const at::Tensor& pixels) {
  const auto plain = pixels.contiguous();
  const auto* from = plain.const_data_ptr<uint8_t>();
  for (int64_t y = 0; y < plain.size(0); ++y) {
    for (int64_t x = 0; x < plain.size(1); ++x, from += 3) {
      if (top + y >= height_ || left + x >= width_) continue;
      auto* value = values_.data() + 3 * ((top + y) * width_ + left + x);
      for (int c = 0; c < 3; ++c) value[c] = from[c];
    }
  }
}

at::Tensor Canvas::pixels() const {
  auto result = at::empty({height_, width_, 3}, at::kByte);
  auto* to = result.mutable_data_ptr<uint8_t>();
  for (const auto value : values_) *to++ = static_cast<uint8_t>(value + 0.5F);
  return result;
}

}  // namespace xattn::training
