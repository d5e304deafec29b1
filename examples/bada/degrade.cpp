#include "degrade.h"

#include <algorithm>

namespace bada {

Picture blurred(const Picture& picture, int times) {
  Picture from = picture, to;
  for (int time = 0; time < times; ++time) {
    for (int y = 0; y < kSize; ++y) {
      for (int x = 0; x < kSize; ++x) {
        for (int c = 0; c < 3; ++c) {
          int sum = 0;
          for (int dy = -1; dy <= 1; ++dy) {
            const int row = std::clamp(y + dy, 0, kSize - 1) * kSize;
            for (int dx = -1; dx <= 1; ++dx)
              sum +=
                  from.rgb[static_cast<size_t>(3 * (row + std::clamp(x + dx, 0, kSize - 1)) + c)];
          }
          to.rgb[static_cast<size_t>(3 * (y * kSize + x) + c)] =
              static_cast<uint8_t>((sum + 4) / 9);
        }
      }
    }
    std::swap(from, to);
  }
  return from;
}

Picture noisy(const Picture& picture, int most, Random& random) {
  Picture made = picture;
  for (auto& value : made.rgb)
    value = static_cast<uint8_t>(std::clamp(value + random.integer(2 * most + 1) - most, 0, 255));
  return made;
}

}  // namespace bada
