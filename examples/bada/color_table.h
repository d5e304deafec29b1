#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "picture.h"

namespace bada {

/// How often colours are seen, in 12 × 12 × 12 boxes of RGB.
class ColorTable {
 public:
  static constexpr int kSteps = 12, kBoxes = kSteps * kSteps * kSteps;

  /// The box of a pixel's three values.
  static int box(const uint8_t* rgb) {
    return (rgb[0] * kSteps / 256 * kSteps + rgb[1] * kSteps / 256) * kSteps +
           rgb[2] * kSteps / 256;
  }

  void add(int box) { ++counts_[static_cast<size_t>(box)]; }
  bool is_empty() const;

  /// The logarithm of each box's share, with neighbours mixed in, and nothing impossible: models
  /// paint what the renderer never would.
  std::vector<float> logarithms() const;

 private:
  std::vector<int64_t> counts_ = std::vector<int64_t>(kBoxes);
};

/// The boxes of a picture's pixels, row by row.
std::vector<int> color_boxes(const Picture& picture);

}  // namespace bada
