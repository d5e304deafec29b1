#include "color_table.h"

#include <algorithm>
#include <cmath>

namespace bada {

bool ColorTable::is_empty() const {
  return std::all_of(counts_.begin(), counts_.end(), [](int64_t count) { return count == 0; });
}

std::vector<float> ColorTable::logarithms() const {
  std::vector<double> shares(counts_.begin(), counts_.end());
  double total = 0;
  for (const double share : shares) total += share;
  // A quarter of each neighbour's, along red, green and blue in turn.
  for (const int step : {kSteps * kSteps, kSteps, 1}) {
    const auto before = shares;
    for (int i = 0; i < kBoxes; ++i) {
      const int at = i / step % kSteps;
      const double lower = before[static_cast<size_t>(at > 0 ? i - step : i)];
      const double upper = before[static_cast<size_t>(at < kSteps - 1 ? i + step : i)];
      shares[static_cast<size_t>(i)] =
          0.5 * before[static_cast<size_t>(i)] + 0.25 * (lower + upper);
    }
  }
  std::vector<float> made;
  made.reserve(kBoxes);
  for (const double share : shares)
    made.push_back(static_cast<float>(std::log(0.98 * share / total + 0.02 / kBoxes)));
  return made;
}

std::vector<int> color_boxes(const Picture& picture) {
  std::vector<int> boxes;
  boxes.reserve(static_cast<size_t>(kSize) * kSize);
  for (size_t i = 0; i < picture.rgb.size(); i += 3)
    boxes.push_back(ColorTable::box(&picture.rgb[i]));
  return boxes;
}

}  // namespace bada
