#pragma once

#include <cstdint>

#include "ops/cpu/kernels.h"
#include "ops/cpu/vector_softmax.h"
#include "ops/cpu/vector_types.h"

namespace xattn::cpu {

/// The two passes of a group norm, row by row as memory lies, several rows at once so that what
/// belongs to a column is loaded once for all of them.
template <int Lanes, int kPanel>
struct VectorGroupNorm : VectorTypes<Lanes> {
  using Types = VectorTypes<Lanes>;
  using typename Types::Floats;
  using typename Types::Ints;
  using Types::least;
  using Types::load;
  using Types::store;

  /// Sums of so many floats are floats, for speed; they are added up in double precision.
  static constexpr int64_t kRowsOfSum = 64;
  /// Columns whose sums stay in the first cache.
  static constexpr int64_t kColumnsAtOnce = 512;

  /// A vector in memory.
  struct Whole {
    [[gnu::always_inline]] Floats get(const float* data) const { return load(data); }
    [[gnu::always_inline]] void put(float* data, Floats value) const { store(data, value); }
  };
  /// What a row has left, in a vector that is filled up with zeros.
  struct Rest {
    int64_t count;
    [[gnu::always_inline]] Floats get(const float* data) const {
      Floats value = {};
      for (int64_t lane = 0; lane < count; ++lane) value[lane] = data[lane];
      return value;
    }
    [[gnu::always_inline]] void put(float* data, Floats value) const {
      for (int64_t lane = 0; lane < count; ++lane) data[lane] = value[lane];
    }
  };

  struct Sums {
    float values[kColumnsAtOnce], squares[kColumnsAtOnce];
  };

  template <int kRows, typename Memory>
  [[gnu::always_inline]] static void add_vectors(Memory memory, const float* x, int64_t row_step,
                                                 const float* near, float* values, float* squares) {
    const Floats middle = memory.get(near);
    Floats sum = load(values), square = load(squares);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const Floats difference = memory.get(x + r * row_step) - middle;
      sum += difference;
      square += difference * difference;
    }
    store(values, sum);
    store(squares, square);
  }

  template <int kRows>
  [[gnu::always_inline]] static void add_rows(int64_t columns, const float* x, int64_t row_step,
                                              const float* near, Sums& sums) {
    int64_t c = 0;
    for (; c + Lanes <= columns; c += Lanes) {
      add_vectors<kRows>(Whole{}, x + c, row_step, near + c, sums.values + c, sums.squares + c);
    }
    if (c == columns) return;
    add_vectors<kRows>(Rest{columns - c}, x + c, row_step, near + c, sums.values + c,
                       sums.squares + c);
  }

  static void add_moments(int64_t rows, int64_t columns, Matrix x, const float* near, double* sums,
                          double* squares) {
    for (int64_t c = 0; c < columns; c += kColumnsAtOnce) {
      const int64_t width = least(kColumnsAtOnce, columns - c);
      for (int64_t first = 0; first < rows; first += kRowsOfSum) {
        const int64_t end = least(first + kRowsOfSum, rows);
        const float* row = x.data + first * x.row_step + c;
        Sums part;
        for (int64_t i = 0; i < width; i += Lanes) {
          store(part.values + i, Floats{});
          store(part.squares + i, Floats{});
        }
        int64_t r = first;
        for (; r + 8 <= end; r += 8, row += 8 * x.row_step) {
          add_rows<8>(width, row, x.row_step, near + c, part);
        }
        for (; r < end; ++r, row += x.row_step) {
          add_rows<1>(width, row, x.row_step, near + c, part);
        }
        for (int64_t i = 0; i < width; ++i) sums[c + i] += part.values[i];
        for (int64_t i = 0; i < width; ++i) squares[c + i] += part.squares[i];
      }
    }
  }

  /// v / (1 + e^-v); the power is that of -|v|, which cannot overflow.
  [[gnu::always_inline]] static Floats silu(Floats v) {
    constexpr float kLog2E = 1.44269504F;
    constexpr int32_t kSign = INT32_MIN;
    const Floats below = reinterpret_cast<Floats>(reinterpret_cast<Ints>(v) | kSign);
    const Floats power = VectorSoftmax<Lanes, kPanel>::exp2_of(below * kLog2E);
    return (v < 0.0F ? v * power : v) / (1.0F + power);
  }

  template <bool kSilu, int kRows, typename Memory>
  [[gnu::always_inline]] static void normalize_vectors(Memory memory, int64_t column, Matrix x,
                                                       const Normalization& norm, Matrix out) {
    const Floats mean = memory.get(norm.mean + column), scale = memory.get(norm.scale + column),
                 shift = memory.get(norm.shift + column);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const Floats difference = memory.get(x.data + r * x.row_step + column) - mean;
      const Floats value = difference * scale + shift;
      memory.put(out.data + r * out.row_step + column, kSilu ? silu(value) : value);
    }
  }

  template <bool kSilu, int kRows>
  [[gnu::always_inline]] static void normalize_rows(int64_t columns, Matrix x,
                                                    const Normalization& norm, Matrix out) {
    int64_t c = 0;
    for (; c + Lanes <= columns; c += Lanes) {
      normalize_vectors<kSilu, kRows>(Whole{}, c, x, norm, out);
    }
    if (c < columns) normalize_vectors<kSilu, kRows>(Rest{columns - c}, c, x, norm, out);
  }

  template <bool kSilu>
  [[gnu::always_inline]] static void normalize_all(int64_t rows, int64_t columns, Matrix x,
                                                   const Normalization& norm, Matrix out) {
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4, x.data += 4 * x.row_step, out.data += 4 * out.row_step) {
      normalize_rows<kSilu, 4>(columns, x, norm, out);
    }
    for (; r < rows; ++r, x.data += x.row_step, out.data += out.row_step) {
      normalize_rows<kSilu, 1>(columns, x, norm, out);
    }
  }

  static void normalize(int64_t rows, int64_t columns, Matrix x, Normalization norm, Matrix out) {
    norm.silu ? normalize_all<true>(rows, columns, x, norm, out)
              : normalize_all<false>(rows, columns, x, norm, out);
  }
};

}  // namespace xattn::cpu
