#pragma once

#include <array>
#include <vector>

#include "picture.h"

namespace bada {

inline constexpr int kHalf = kSize / 2;

/// A map of half the picture's height and width, with zeros about it, so that what reaches over its
/// border needs no care.
class HalfMap {
 public:
  static constexpr int kBorder = 22, kStride = kHalf + 2 * kBorder;

  static constexpr int index(int x, int y) { return (y + kBorder) * kStride + x + kBorder; }

  float& at(int x, int y) { return values_[static_cast<size_t>(index(x, y))]; }
  float at(int x, int y) const { return values_[static_cast<size_t>(index(x, y))]; }
  const float* place(int x, int y) const { return &values_[static_cast<size_t>(index(x, y))]; }

 private:
  std::array<float, static_cast<size_t>(kStride) * kStride> values_{};
};

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
  float sum(const HalfMap& map, int x, int y) const;

  int row_ = 0;
  /// Places in a map, from the middle's, and their weights.
  std::vector<int> offsets_;
  std::vector<float> weights_;
};

}  // namespace bada
