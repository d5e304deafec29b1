#include "shapes.h"

namespace bada {

float polygon(Point p, const std::vector<Point>& corners) {
  float nearest = 1e9f;
  bool inside = false;
  for (size_t i = 0, j = corners.size() - 1; i < corners.size(); j = i++) {
    const Point a = corners[i], b = corners[j];
    nearest = std::min(nearest, line(p, a, b, 0));
    // Each edge that a ray to the right crosses turns inside to outside and back.
    if ((a.y > p.y) != (b.y > p.y) && p.x < (b.x - a.x) * (p.y - a.y) / (b.y - a.y) + a.x)
      inside = !inside;
  }
  return inside ? -nearest : nearest;
}

Area around(const std::vector<Point>& points, float margin) {
  Area area{1e9f, 1e9f, -1e9f, -1e9f};
  for (const auto& point : points) {
    area.left = std::min(area.left, point.x - margin);
    area.top = std::min(area.top, point.y - margin);
    area.right = std::max(area.right, point.x + margin);
    area.bottom = std::max(area.bottom, point.y + margin);
  }
  return area;
}

void fill_polygon(Canvas& canvas, const std::vector<Point>& corners, Color color) {
  canvas.fill(
      around(corners),
      [&](float x, float y) {
        return polygon({x, y}, corners);
      },
      [&](float, float) { return color; });
}

void fill_box(Canvas& canvas, Area area, Color color, float alpha) {
  Canvas::each({area.left - 1, area.top - 1, area.right + 1, area.bottom + 1}, [&](int x, int y) {
    // The share of the pixel that the rectangle covers.
    const float fx = static_cast<float>(x), fy = static_cast<float>(y);
    const float wide = clamp01(std::min(area.right, fx + 1) - std::max(area.left, fx));
    const float high = clamp01(std::min(area.bottom, fy + 1) - std::max(area.top, fy));
    canvas.blend(x, y, color, wide * high * alpha);
  });
}

void fill_disc(Canvas& canvas, Point centre, float radius, Color color, float alpha) {
  Canvas::each(around({centre}, radius + 1), [&](int x, int y) {
    const Point p{static_cast<float>(x) + 0.5f, static_cast<float>(y) + 0.5f};
    canvas.blend(x, y, color, clamp01(0.5f - disc(p, centre, radius)) * alpha);
  });
}

void draw_line(Canvas& canvas, Point from, Point to, float width, Color color, float alpha) {
  Canvas::each(around({from, to}, width / 2 + 1), [&](int x, int y) {
    const Point p{static_cast<float>(x) + 0.5f, static_cast<float>(y) + 0.5f};
    // A line thinner than a pixel covers less of it.
    const float cover = clamp01(0.5f - line(p, from, to, std::max(width, 1.0f)));
    canvas.blend(x, y, color, cover * alpha * std::min(width, 1.0f));
  });
}

}  // namespace bada
