#pragma once

#include <cstdint>

#include "ops/cpu/kernels.h"
#include "ops/cpu/vector_types.h"

namespace xattn::cpu {

/// Matrix products by tiles whose sums stay in registers: of `Rows` rows and a panel of `Vectors`
/// vectors or, at the edge, of more rows and fewer vectors.
template <int Lanes, int Vectors, int Rows>
struct VectorProduct : VectorTypes<Lanes> {
  using Types = VectorTypes<Lanes>;
  using typename Types::Floats;
  using Types::least;
  using Types::load;
  using Types::store;
  static constexpr int kPanel = Lanes * Vectors;
  static constexpr int64_t kPart = 256, kCached = 32 << 10;

  /// A factor whose element (k, row) is at data[k * inner_step + row * row_step].
  template <bool kInPlace>
  struct Factor {
    const float* data;
    int64_t step;
    [[gnu::always_inline]] int64_t row_step() const { return kInPlace ? step : 1; }
    [[gnu::always_inline]] int64_t inner_step() const { return kInPlace ? 1 : kPanel; }
  };

  /// Rows of b that lie in as many lines as a row of a panel has elements.
  static constexpr int64_t kLine = 16;

  /// The next panel of b, of which a tile fetches some lines for each `kLine` rows, or nothing.
  template <bool kFetches>
  struct Next {
    const float* data = nullptr;
    int64_t lines = 0;

    /// What a tile, of so many, has to fetch.
    [[gnu::always_inline]] Next for_tile(int64_t tile, int64_t tiles) const {
      if constexpr (!kFetches) return {};
      const int64_t each = (kPanel + tiles - 1) / tiles, first = tile * each;
      return {data + first * kLine, least(each, kPanel - first)};
    }
    [[gnu::always_inline]] void fetch() {
      if constexpr (!kFetches) return;
      for (int64_t i = 0; i < lines; ++i) __builtin_prefetch(data + i * kLine);
      data += kLine * kPanel;
    }
  };

  /// kRows rows and `columns` of the result, in kVectors vectors, the last one perhaps in part.
  template <int kRows, int kVectors, bool kInPlace, bool kFetches>
  [[gnu::always_inline]] static void tile(int64_t columns, int64_t inner, Factor<kInPlace> a,
                                          const float* b, float* out, int64_t row_step, bool adds,
                                          Next<kFetches> next) {
    for (int r = 0; adds && r < kRows; ++r) {
      __builtin_prefetch(out + r * row_step);
      __builtin_prefetch(out + r * row_step + columns - 1);
    }
    // Unrolled, so that the sums are in registers only.
    Floats sums[kRows][kVectors];
#pragma GCC unroll 32
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 32
      for (int v = 0; v < kVectors; ++v) sums[r][v] = Floats{};
    }
    const auto add_one = [&] {
      Floats row[kVectors];
      for (int v = 0; v < kVectors; ++v) row[v] = load(b + v * Lanes);
      for (int r = 0; r < kRows; ++r) {
        const float factor = a.data[r * a.row_step()];
        for (int v = 0; v < kVectors; ++v) sums[r][v] += factor * row[v];
      }
      a.data += a.inner_step();
      b += kPanel;
    };
    // The rows of the next tile, a line of each at a time: no processor foresees them.
    const int64_t line = kInPlace ? kLine : inner;
    for (int64_t k = 0; k < inner; k += line) {
      for (int r = 0; kInPlace && r < kRows; ++r) {
        __builtin_prefetch(a.data + (kRows + r) * a.row_step());
      }
      next.fetch();
#pragma GCC unroll 4
      for (int64_t i = least(line, inner - k); i > 0; --i) add_one();
    }
    if (columns == kVectors * Lanes) {
      for (int r = 0; r < kRows; ++r) {
        for (int v = 0; v < kVectors; ++v) {
          float* to = out + r * row_step + v * Lanes;
          store(to, adds ? load(to) + sums[r][v] : sums[r][v]);
        }
      }
      return;
    }
#pragma GCC unroll 32
    for (int r = 0; r < kRows; ++r) {
      float all[kVectors * Lanes];
      for (int v = 0; v < kVectors; ++v) store(all + v * Lanes, sums[r][v]);
      float* to = out + r * row_step;
      for (int64_t c = 0; c < columns; ++c) to[c] = adds ? to[c] + all[c] : all[c];
    }
  }

  /// The rows that are left, at most kRows.
  template <int kRows, int kVectors, bool kInPlace, bool kFetches>
  [[gnu::always_inline]] static void last_tile(int64_t rows, int64_t columns, int64_t inner,
                                               Factor<kInPlace> a, const float* b, float* out,
                                               int64_t row_step, bool adds, Next<kFetches> next) {
    if (rows == kRows) {
      tile<kRows, kVectors>(columns, inner, a, b, out, row_step, adds, next);
    } else if constexpr (kRows > 1) {
      last_tile<kRows - 1, kVectors>(rows, columns, inner, a, b, out, row_step, adds, next);
    }
  }

  /// All rows of one panel's columns.
  template <int kVectors, bool kInPlace, bool kFetches>
  static void panel(int64_t rows, int64_t columns, int64_t inner, Factor<kInPlace> a,
                    int64_t a_panel_step, const float* b, Next<kFetches> next, float* out,
                    int64_t row_step, bool adds) {
    constexpr int kRows = Rows * Vectors / kVectors;
    static_assert(kPanel % kRows == 0);
    for (int64_t r = 0; r < rows; r += kRows, out += kRows * row_step) {
      const auto next_part = next.for_tile(r / kRows, (rows + kRows - 1) / kRows);
      auto from = a;
      from.data += kInPlace ? r * a.step : r / kPanel * a_panel_step + r % kPanel;
      if (rows - r >= kRows) {
        tile<kRows, kVectors>(columns, inner, from, b, out, row_step, adds, next_part);
      } else {
        last_tile<kRows - 1, kVectors>(rows - r, columns, inner, from, b, out, row_step, adds,
                                       next);
      }
    }
  }

  /// Chooses the tiles that waste least on `columns`, at most a panel's.
  template <int kVectors, bool kInPlace, bool kFetches>
  [[gnu::always_inline]] static void narrowest_panel(int64_t rows, int64_t columns, int64_t inner,
                                                     Factor<kInPlace> a, int64_t a_panel_step,
                                                     const float* b, Next<kFetches> next,
                                                     float* out, int64_t row_step, bool adds) {
    if constexpr (kVectors < Vectors) {
      if (columns > kVectors * Lanes) {
        return narrowest_panel<kVectors + 1>(rows, columns, inner, a, a_panel_step, b, next, out,
                                             row_step, adds);
      }
    }
    panel<kVectors>(rows, columns, inner, a, a_panel_step, b, next, out, row_step, adds);
  }

  struct Destination {
    float* data;
    int64_t row_step, panel_step;
    /// Whether there is room for whole vectors.
    bool packed;
  };

  static void multiply_into(int64_t rows, int64_t columns, int64_t inner, Panels a, Panels b,
                            Destination out) {
    // Long sums are sums of parts, for two reasons: panels of a part stay in the first cache, or
    // come from the second one in time, and sums of parts round less than one long sum does. A
    // packed result goes into another product, scores into an exponential before: there long sums
    // have shorter parts. The last eighth of a part is none of its own. Without any part, the
    // result is zero.
    const auto longest = out.packed && inner > kPart ? kPart / 2 : kPart;
    const auto parts = inner > longest ? (inner + longest * 7 / 8 - 1) / longest : 1;
    const auto part = (inner + parts - 1) / parts;
    for (int64_t i = 0; i < parts; ++i) {
      const auto start = i * part;
      const Panels part_a = {a.data + start * kPanel, a.step},
                   part_b = {b.data + start * kPanel, b.step};
      const auto length = least(part, inner - start);
      // Where b stays in the second cache, rows of the result are finished one after the other.
      const auto rows_at_once = !out.packed && columns * length <= kCached ? kPanel : rows;
      for (int64_t r = 0; r < rows; r += rows_at_once) {
        multiply_part(least(rows_at_once, rows - r), columns, length,
                      {part_a.data + r / kPanel * a.step, a.step}, part_b,
                      {out.data + r * out.row_step, out.row_step, out.panel_step, out.packed},
                      start > 0);
      }
    }
  }

  static void multiply_part(int64_t rows, int64_t columns, int64_t inner, Panels a, Panels b,
                            Destination out, bool adds) {
    for (int64_t c = 0; c < columns; c += kPanel, b.data += b.step, out.data += out.panel_step) {
      const auto width = least(kPanel, columns - c);
      narrowest_panel<1>(rows, out.packed ? (width + Lanes - 1) / Lanes * Lanes : width, inner,
                         Factor<false>{a.data, 0}, a.step, b.data, Next<false>{}, out.data,
                         out.row_step, adds);
    }
  }

  static void multiply(int64_t rows, int64_t columns, int64_t inner, Panels a, Panels b,
                       Matrix out) {
    multiply_into(rows, columns, inner, a, b, {out.data, out.row_step, kPanel, false});
  }

  static void multiply_packed(int64_t rows, int64_t columns, int64_t inner, Panels a, Panels b,
                              Panels out) {
    multiply_into(rows, columns, inner, a, b, {out.data, kPanel, out.step, true});
  }

  static void multiply_rows(int64_t rows, int64_t columns, int64_t inner, Matrix a, Panels b,
                            Matrix out, RowProduct how) {
    for (int64_t c = 0; c < columns; c += kPanel, b.data += b.step) {
      const auto width = least(kPanel, columns - c);
      const Factor<true> rows_of_a = {a.data, a.row_step};
      if (how.fetches && c + kPanel < columns) {
        narrowest_panel<1>(rows, width, inner, rows_of_a, 0, b.data, Next<true>{b.data + b.step, 0},
                           out.data + c, out.row_step, how.adds);
      } else {
        narrowest_panel<1>(rows, width, inner, rows_of_a, 0, b.data, Next<false>{}, out.data + c,
                           out.row_step, how.adds);
      }
    }
  }
};

}  // namespace xattn::cpu
