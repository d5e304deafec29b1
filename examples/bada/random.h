#pragma once

#include <cstdint>
#include <random>

namespace bada {

/// A seed of its own for one part of a picture, so that a change of the sky leaves the ground as it
/// was (SplitMix64).
uint64_t mix_seed(uint64_t seed, uint64_t part);

/// Random numbers that are the same on every machine: the standard fixes the generator, not the
/// distributions, which are therefore ours.
class Random {
 public:
  explicit Random(uint64_t seed, uint64_t part = 0) : generator_(mix_seed(seed, part)) {}

  /// Uniform in [0, 1), a multiple of 2⁻⁵³.
  double uniform() { return static_cast<double>(generator_() >> 11) * 0x1p-53; }

  /// Uniform in [low, high].
  float uniform(float low, float high) {
    return low + (high - low) * static_cast<float>(uniform());
  }

  /// Uniform in 0 … count - 1.
  int integer(int count) { return static_cast<int>(uniform() * count); }

  bool chance(double probability) { return uniform() < probability; }

  /// Minus one or one.
  float sign() { return chance(0.5) ? 1.0f : -1.0f; }

 private:
  std::mt19937_64 generator_;
};

}  // namespace bada
