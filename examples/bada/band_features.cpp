#include "band_features.h"

#include <array>
#include <cmath>

#include "color.h"

namespace bada {

Features band_features(const Picture& picture) {
  constexpr int kBands = 8, kRows = kSize / kBands;
  const auto color_at = [&](int x, int y) {
    const auto* value = &picture.rgb[static_cast<size_t>(3 * (y * kSize + x))];
    return Color{static_cast<float>(value[0]) / 255, static_cast<float>(value[1]) / 255,
                 static_cast<float>(value[2]) / 255};
  };
  std::vector<float> light;
  light.reserve(static_cast<size_t>(kSize) * kSize);
  for (int y = 0; y < kSize; ++y) {
    for (int x = 0; x < kSize; ++x) light.push_back(luma(color_at(x, y)));
  }
  const auto light_at = [&](int x, int y) {
    return light[static_cast<size_t>(std::clamp(y, 0, kSize - 1) * kSize +
                                     std::clamp(x, 0, kSize - 1))];
  };
  Features features;
  for (int band = 0; band < kBands; ++band) {
    double red = 0, green = 0, blue = 0, sum = 0, squares = 0, across = 0, down = 0;
    for (int y = band * kRows; y < (band + 1) * kRows; ++y) {
      for (int x = 0; x < kSize; ++x) {
        const auto color = color_at(x, y);
        red += color.r;
        green += color.g;
        blue += color.b;
        const double here = light_at(x, y);
        sum += here;
        squares += here * here;
        across += std::abs(light_at(x + 1, y) - light_at(x - 1, y));
        down += std::abs(light_at(x, y + 1) - light_at(x, y - 1));
      }
    }
    constexpr double kCount = kRows * kSize;
    const double spread = std::sqrt(std::max(0.0, squares / kCount - sum / kCount * sum / kCount));
    for (const double value : {red, green, blue, across, down}) features.push_back(value / kCount);
    features.push_back(spread);
  }
  return features;
}

}  // namespace bada
