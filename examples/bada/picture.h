#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bada {

/// A picture's height and width.
inline constexpr int kSize = 128;

/// RGB of 8 bits, row by row from the top: `[128, 128, 3]`.
struct Picture {
  std::vector<uint8_t> rgb = std::vector<uint8_t>(static_cast<size_t>(3) * kSize * kSize);

  bool operator==(const Picture&) const = default;
};

}  // namespace bada
