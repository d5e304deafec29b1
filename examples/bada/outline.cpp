#include "outline.h"

#include <algorithm>

namespace bada {
namespace {

// The largest thing, with its border, in pixels of the map: half of it.
constexpr int kReachX = 15, kReachY = 19;

/// The middle one of values.
int median(std::vector<int> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

Outline::Outline(const std::vector<bool>& covered) {
  std::vector<int> xs, ys;
  HalfMap map{};
  for (int y = 0; y < kSize; ++y) {
    for (int x = 0; x < kSize; ++x) {
      if (!covered[static_cast<size_t>(y * kSize + x)]) continue;
      xs.push_back(x / 2);
      ys.push_back(y / 2);
      map.at(x / 2, y / 2) += 0.25f;
    }
  }
  const int middle = median(std::move(xs));
  row_ = median(std::move(ys));
  const auto at = [&](int dx, int dy) {
    const int x = middle + dx, y = row_ + dy;
    return x < 0 || y < 0 || x >= kHalf || y >= kHalf ? 0 : map.at(x, y);
  };
  float inside = 0, beside = 0;
  for (int dy = -kReachY; dy <= kReachY; ++dy) {
    for (int dx = -kReachX; dx <= kReachX; ++dx) {
      float near = 0;
      for (int j = -2; j <= 2; ++j) {
        for (int i = -2; i <= 2; ++i) near = std::max(near, at(dx + i, dy + j));
      }
      const float here = at(dx, dy);
      if (near == 0) continue;
      (here > 0 ? inside : beside) += here > 0 ? here : near;
      offsets_.push_back(dy * HalfMap::kStride + dx);
      weights_.push_back(here > 0 ? here : -near);
    }
  }
  for (auto& weight : weights_) weight /= weight > 0 ? inside : beside / 0.6f;
}

float Outline::sum(const HalfMap& map, int x, int y) const {
  const float* middle = map.place(x, y);
  float total = 0;
  for (size_t i = 0; i < offsets_.size(); ++i) total += weights_[i] * middle[offsets_[i]];
  return total;
}

float Outline::best(const HalfMap& map, int from, int to) const {
  constexpr int kMargin = 8;
  float most = -1e9f;
  int best_x = 0, best_y = 0;
  // Every third place, then about the best of these.
  for (int y = std::max(0, from); y <= std::min(to, kHalf - 1); y += 3) {
    for (int x = kMargin; x < kHalf - kMargin; x += 3) {
      const float here = sum(map, x, y);
      if (here <= most) continue;
      most = here;
      best_x = x;
      best_y = y;
    }
  }
  for (int dy = -1; dy <= 1; ++dy) {
    for (int dx = -1; dx <= 1; ++dx) most = std::max(most, sum(map, best_x + dx, best_y + dy));
  }
  return most;
}

}  // namespace bada
