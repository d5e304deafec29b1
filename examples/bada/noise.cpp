#include "noise.h"

namespace bada {
namespace {

// std::floor is a call on processors of the baseline.
int floor_of(float x) {
  const int whole = static_cast<int>(x);
  return x < static_cast<float>(whole) ? whole - 1 : whole;
}

float quintic(float t) {
  return t * t * t * (t * (t * 6.0f - 15.0f) + 10.0f);
}

}  // namespace

float Noise::lattice(int x, int y) const {
  uint32_t h =
      seed_ + static_cast<uint32_t>(x) * 0x9E3779B1u + static_cast<uint32_t>(y) * 0x85EBCA77u;
  h ^= h >> 15;
  h *= 0x2C1B3C6Du;
  h ^= h >> 12;
  h *= 0x297A2D39u;
  h ^= h >> 15;
  return static_cast<float>(h) * 0x1p-31f - 1.0f;
}

float Noise::at(float x) const {
  const int i = floor_of(x);
  const float u = quintic(x - static_cast<float>(i));
  const float a = lattice(i, 0), b = lattice(i + 1, 0);
  return a + (b - a) * u;
}

float Noise::at(float x, float y) const {
  const int i = floor_of(x), j = floor_of(y);
  const float u = quintic(x - static_cast<float>(i)), v = quintic(y - static_cast<float>(j));
  const float a = lattice(i, j), b = lattice(i + 1, j);
  const float c = lattice(i, j + 1), d = lattice(i + 1, j + 1);
  const float upper = a + (b - a) * u, lower = c + (d - c) * u;
  return upper + (lower - upper) * v;
}

float Noise::fractal(float x, int octaves) const {
  float sum = 0, weight = 1, total = 0;
  for (int octave = 0; octave < octaves; ++octave) {
    sum += weight * at(x);
    total += weight;
    // Shifted, for octaves that share a lattice point would show it.
    x = 2 * x + 17.3f;
    weight /= 2;
  }
  return sum / total;
}

float Noise::fractal(float x, float y, int octaves) const {
  float sum = 0, weight = 1, total = 0;
  for (int octave = 0; octave < octaves; ++octave) {
    sum += weight * at(x, y);
    total += weight;
    x = 2 * x + 17.3f;
    y = 2 * y + 5.7f;
    weight /= 2;
  }
  return sum / total;
}

}  // namespace bada
