#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace xattn::cpu {

inline constexpr auto kInfinity = std::numeric_limits<float>::infinity();
inline constexpr auto kNaN = std::numeric_limits<float>::quiet_NaN();

/// A matrix, row by row.
template <typename Element>
struct Rows {
  int64_t rows, columns;
  std::vector<Element> data = std::vector<Element>(static_cast<std::size_t>(rows * columns));

  Element& at(int64_t row, int64_t column) {
    return data[static_cast<std::size_t>(row * columns + column)];
  }
  Element at(int64_t row, int64_t column) const {
    return data[static_cast<std::size_t>(row * columns + column)];
  }
  Rows transposed() const {
    Rows result{columns, rows};
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < columns; ++c) result.at(c, r) = at(r, c);
    }
    return result;
  }
};
using Floats = Rows<float>;

/// aᵀ · b.
inline Rows<double> product(const Floats& a, const Floats& b) {
  Rows<double> result{a.columns, b.columns};
  for (int64_t k = 0; k < a.rows; ++k) {
    for (int64_t r = 0; r < a.columns; ++r) {
      for (int64_t c = 0; c < b.columns; ++c) result.at(r, c) += double(a.at(k, r)) * b.at(k, c);
    }
  }
  return result;
}

}  // namespace xattn::cpu
