#pragma once

#include <array>
#include <vector>

#include "picture.h"

namespace bada {

/// A map of half the picture's height and width, row by row.
inline constexpr int kHalf = kSize / 2;
using HalfMap = std::array<float, static_cast<size_t>(kHalf) * kHalf>;

/// One shape that a thing has had, as weights about its middle: above zero on it, sum 1; below zero
/// in a border about it, sum -0.6. A map that is high where the thing is, and nowhere near, has its
/// highest sum there.
class Outline {
 public:
  /// Of the pixels that a thing covers, true; there must be one.
  explicit Outline(const std::vector<bool>& covered);

  /// The row of its middle, in the map.
  int row() const { return row_; }

  /// The highest weighted sum of a map with the middle in any column and in rows `from` … `to`.
  float best(const HalfMap& map, int from, int to) const;

 private:
  struct Weight {
    int dx, dy;
    float weight;
  };

  float sum(const HalfMap& map, int x, int y) const;

  int row_ = 0;
  std::vector<Weight> weights_;
};

}  // namespace bada
