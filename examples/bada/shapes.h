#pragma once

#include <cmath>
#include <vector>

#include "canvas.h"

namespace bada {

/// A point of the picture in pixels, from its upper left corner.
struct Point {
  float x, y;
};

/// std::hypot guards against overflow, which costs more than all else here.
inline float length(float x, float y) {
  return std::sqrt(x * x + y * y);
}

/// Signed distance from a disc's edge, below zero inside.
inline float disc(Point p, Point centre, float radius) {
  return length(p.x - centre.x, p.y - centre.y) - radius;
}

/// About the signed distance from an ellipse's edge.
inline float ellipse(Point p, Point centre, float rx, float ry) {
  const float radius = length((p.x - centre.x) / rx, (p.y - centre.y) / ry);
  return (radius - 1) * std::min(rx, ry);
}

/// Signed distance from a rectangle's edge.
inline float box(Point p, Area area) {
  return std::max(std::max(area.left - p.x, p.x - area.right),
                  std::max(area.top - p.y, p.y - area.bottom));
}

/// Signed distance from a line of that width with round ends.
inline float line(Point p, Point from, Point to, float width) {
  const float dx = to.x - from.x, dy = to.y - from.y;
  const float t =
      clamp01(((p.x - from.x) * dx + (p.y - from.y) * dy) / (dx * dx + dy * dy + 1e-12f));
  return length(p.x - from.x - t * dx, p.y - from.y - t * dy) - width / 2;
}

/// Signed distance from the edge of a polygon, which needs not be convex.
float polygon(Point p, const std::vector<Point>& corners);

/// The rectangle around points, and `margin` pixels.
Area around(const std::vector<Point>& points, float margin = 1);

/// Fills a polygon with one colour.
void fill_polygon(Canvas& canvas, const std::vector<Point>& corners, Color color);

/// Fills a rectangle with one colour.
void fill_box(Canvas& canvas, Area area, Color color, float alpha = 1);

/// Fills a disc with one colour.
void fill_disc(Canvas& canvas, Point centre, float radius, Color color, float alpha = 1);

/// Draws a line with round ends.
void draw_line(Canvas& canvas, Point from, Point to, float width, Color color, float alpha = 1);

}  // namespace bada
