#pragma once

#include <algorithm>

namespace bada {

/// A colour of sRGB; each value from 0 to 1, and outside only on the way.
struct Color {
  float r = 0, g = 0, b = 0;
};

inline Color operator+(Color a, Color b) {
  return {a.r + b.r, a.g + b.g, a.b + b.b};
}
inline Color operator*(Color a, Color b) {
  return {a.r * b.r, a.g * b.g, a.b * b.b};
}
inline Color operator*(Color a, float s) {
  return {a.r * s, a.g * s, a.b * s};
}

inline float clamp01(float x) {
  return std::clamp(x, 0.0f, 1.0f);
}

inline float mix(float a, float b, float t) {
  return a + (b - a) * t;
}
inline Color mix(Color a, Color b, float t) {
  return {mix(a.r, b.r, t), mix(a.g, b.g, t), mix(a.b, b.b, t)};
}

/// 0 up to `from`, 1 from `to` on, smooth between. `from` may be the larger.
inline float smooth_step(float from, float to, float x) {
  const float t = clamp01((x - from) / (to - from));
  return t * t * (3 - 2 * t);
}

/// What the eye takes for brightness.
inline float luma(Color c) {
  return 0.299f * c.r + 0.587f * c.g + 0.114f * c.b;
}

}  // namespace bada
