#pragma once

#include <cstdint>

#include "ops/cpu/kernels.h"
#include "ops/cpu/vector_exp2.h"
#include "ops/cpu/vector_types.h"

namespace xattn::cpu {

/// The two passes of a group norm: of rows as they lie in memory, several at once so that what
/// belongs to a column is loaded once for all of them.
template <int Lanes>
struct VectorGroupNorm : VectorTypes<Lanes> {
  using Types = VectorTypes<Lanes>;
  using Exp2 = VectorExp2<Lanes>;
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

  /// Several rows at once read a page in several places, which processors foresee badly; so where
  /// rows follow each other they fetch in order what the next rows need.
  template <int kRows>
  [[gnu::always_inline]] static void fetch(const float* data) {
#pragma GCC unroll 8
    for (int line = 0; line < kRows * Lanes; line += 16) __builtin_prefetch(data + line);
  }
  template <int kRows>
  [[gnu::always_inline]] static void fetch_to_write(const float* data) {
#pragma GCC unroll 8
    for (int line = 0; line < kRows * Lanes; line += 16) __builtin_prefetch(data + line, 1);
  }

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

  template <int kRows, bool kFetches>
  [[gnu::always_inline]] static void add_rows(int64_t columns, const float* x, int64_t row_step,
                                              const float* near, Sums& sums) {
    int64_t c = 0;
    for (; c + Lanes <= columns; c += Lanes) {
      if constexpr (kFetches) fetch<kRows>(x + kRows * (row_step + c));
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
      const bool is_dense = x.row_step == width;
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
          is_dense ? add_rows<8, true>(width, row, x.row_step, near + c, part)
                   : add_rows<8, false>(width, row, x.row_step, near + c, part);
        }
        for (; r < end; ++r, row += x.row_step) {
          add_rows<1, false>(width, row, x.row_step, near + c, part);
        }
        for (int64_t i = 0; i < width; ++i) sums[c + i] += part.values[i];
        for (int64_t i = 0; i < width; ++i) squares[c + i] += part.squares[i];
      }
    }
  }

  static void add_moments_alike(int64_t count, const float* x, float near, double* sum,
                                double* square) {
    constexpr int kVectors = 4;
    constexpr int64_t kAtOnce = kVectors * Lanes;
    const Floats middle = Floats{} + near;
    double total = 0, total_squares = 0;
    for (int64_t i = 0; i < count;) {
      const int64_t end = least(count, i + kRowsOfSum * kAtOnce);
      Floats sums[kVectors] = {}, squares[kVectors] = {};
      for (; i + kAtOnce <= end; i += kAtOnce) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          const Floats difference = load(x + i + v * Lanes) - middle;
          sums[v] += difference;
          squares[v] += difference * difference;
        }
      }
      const Floats all = (sums[0] + sums[1]) + (sums[2] + sums[3]);
      const Floats all_squares = (squares[0] + squares[1]) + (squares[2] + squares[3]);
      for (int lane = 0; lane < Lanes; ++lane) {
        total += all[lane];
        total_squares += all_squares[lane];
      }
      for (; end == count && i < end; ++i) {
        const double difference = x[i] - near;
        total += difference;
        total_squares += difference * difference;
      }
    }
    *sum += total;
    *square += total_squares;
  }

  /// v / (1 + e^-v); the power is that of -|v|, which cannot overflow.
  [[gnu::always_inline]] static Floats silu(Floats v, const Exp2& exp2) {
    constexpr float kLog2E = 1.44269504F;
    constexpr int32_t kSign = INT32_MIN;
    const Floats below = reinterpret_cast<Floats>(reinterpret_cast<Ints>(v) | kSign);
    Floats power[] = {below * kLog2E};
    exp2.apply(power);
    return (v < 0.0F ? v * power[0] : v) / (1.0F + power[0]);
  }

  struct Factors {
    Floats mean, scale, shift;
  };

  template <bool kSilu, typename Memory>
  [[gnu::always_inline]] static void normalize_vector(Memory memory, const float* x,
                                                      const Factors& factors, const Exp2& exp2,
                                                      float* out) {
    const Floats value = (memory.get(x) - factors.mean) * factors.scale + factors.shift;
    memory.put(out, kSilu ? silu(value, exp2) : value);
  }

  template <bool kSilu, int kRows, typename Memory>
  [[gnu::always_inline]] static void normalize_vectors(Memory memory, int64_t column, Matrix x,
                                                       const Normalization& norm, const Exp2& exp2,
                                                       Matrix out) {
    const Factors factors = {memory.get(norm.mean + column), memory.get(norm.scale + column),
                             memory.get(norm.shift + column)};
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      normalize_vector<kSilu>(memory, x.data + r * x.row_step + column, factors, exp2,
                              out.data + r * out.row_step + column);
    }
  }

  template <bool kSilu, int kRows, bool kFetches>
  [[gnu::always_inline]] static void normalize_rows(int64_t columns, Matrix x,
                                                    const Normalization& norm, const Exp2& exp2,
                                                    Matrix out) {
    int64_t c = 0;
    for (; c + Lanes <= columns; c += Lanes) {
      if constexpr (kFetches) {
        fetch<kRows>(x.data + kRows * (columns + c));
        fetch_to_write<kRows>(out.data + kRows * (columns + c));
      }
      normalize_vectors<kSilu, kRows>(Whole{}, c, x, norm, exp2, out);
    }
    if (c < columns) normalize_vectors<kSilu, kRows>(Rest{columns - c}, c, x, norm, exp2, out);
  }

  template <bool kSilu>
  [[gnu::always_inline]] static void normalize_all(int64_t rows, int64_t columns, Matrix x,
                                                   const Normalization& norm, Matrix out) {
    const Exp2 exp2;
    const bool is_dense =
        columns <= kColumnsAtOnce && x.row_step == columns && out.row_step == columns;
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4, x.data += 4 * x.row_step, out.data += 4 * out.row_step) {
      is_dense ? normalize_rows<kSilu, 4, true>(columns, x, norm, exp2, out)
               : normalize_rows<kSilu, 4, false>(columns, x, norm, exp2, out);
    }
    for (; r < rows; ++r, x.data += x.row_step, out.data += out.row_step) {
      normalize_rows<kSilu, 1, false>(columns, x, norm, exp2, out);
    }
  }

  static void normalize(int64_t rows, int64_t columns, Matrix x, Normalization norm, Matrix out) {
    norm.silu ? normalize_all<true>(rows, columns, x, norm, out)
              : normalize_all<false>(rows, columns, x, norm, out);
  }

  template <bool kSilu>
  [[gnu::always_inline]] static void normalize_side_by_side(int64_t count, const float* x,
                                                            const Normalization& norm, float* out) {
    const Factors factors = {Floats{} + *norm.mean, Floats{} + *norm.scale, Floats{} + *norm.shift};
    const Exp2 exp2;
    int64_t i = 0;
    for (; i + 4 * Lanes <= count; i += 4 * Lanes) {
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) {
        normalize_vector<kSilu>(Whole{}, x + i + v * Lanes, factors, exp2, out + i + v * Lanes);
      }
    }
    for (; i + Lanes <= count; i += Lanes) {
      normalize_vector<kSilu>(Whole{}, x + i, factors, exp2, out + i);
    }
    if (i < count) normalize_vector<kSilu>(Rest{count - i}, x + i, factors, exp2, out + i);
  }

  static void normalize_alike(int64_t count, const float* x, Normalization norm, float* out) {
    norm.silu ? normalize_side_by_side<true>(count, x, norm, out)
              : normalize_side_by_side<false>(count, x, norm, out);
  }
};

}  // namespace xattn::cpu
