#pragma once

#include <cstdint>

namespace bada {

/// Smooth noise in one and two dimensions, from -1 to 1, with one random value a unit of length.
///
/// Reference: Perlin, "Improving noise" (2002), for the quintic; values instead of gradients.
class Noise {
 public:
  explicit Noise(uint64_t seed) : seed_(static_cast<uint32_t>(seed ^ (seed >> 32))) {}

  float at(float x) const;
  float at(float x, float y) const;

  /// A sum of `octaves` noises, each twice as fine and half as strong; from -1 to 1.
  float fractal(float x, int octaves) const;
  float fractal(float x, float y, int octaves) const;

 private:
  float lattice(int x, int y) const;

  uint32_t seed_;
};

}  // namespace bada
