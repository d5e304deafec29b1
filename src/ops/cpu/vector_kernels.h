#pragma once

#include <cstdint>
#include <limits>
#include <utility>

#include "ops/cpu/kernels.h"

namespace xattn::cpu {

/// The kernels for vectors of `Lanes` floats, panels of `Vectors` vectors, and products computed by
/// tiles of `Rows` rows and a panel's columns, which stay in registers.
///
/// Each instance is compiled in a file of its own, with the flags of its processor. So nothing here
/// calls an inline function of another header: the linker would keep one copy, perhaps of the wrong
/// processor.
template <int Lanes, int Vectors, int Rows>
struct VectorKernels {
  static constexpr int kPanel = Lanes * Vectors;
  static_assert(kPanel % Rows == 0);

  using Floats [[gnu::vector_size(Lanes * sizeof(float))]] = float;
  using Ints [[gnu::vector_size(Lanes * sizeof(int32_t))]] = int32_t;
  // The same in memory, wherever it lies.
  using FloatsInMemory
      [[gnu::vector_size(Lanes * sizeof(float)), gnu::aligned(4), gnu::may_alias]] = float;

  [[gnu::always_inline]] static Floats load(const float* data) {
    return *reinterpret_cast<const FloatsInMemory*>(data);
  }
  [[gnu::always_inline]] static void store(float* data, Floats value) {
    *reinterpret_cast<FloatsInMemory*>(data) = value;
  }
  static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

  // --- packing
  // --------------------------------------------------------------------------------------

  template <int... I>
  [[gnu::always_inline]] static Floats low_halves(Floats a, Floats b,
                                                  std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(a, b, (I / 2 + I % 2 * Lanes)...);
  }
  template <int... I>
  [[gnu::always_inline]] static Floats high_halves(Floats a, Floats b,
                                                   std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(a, b, (Lanes / 2 + I / 2 + I % 2 * Lanes)...);
  }

  /// A square of Lanes × Lanes: interleaving the first half of the rows with the second, as often
  /// as halving reaches one, transposes it.
  [[gnu::always_inline]] static void transpose(const float* in, int64_t in_step, float* out,
                                               int64_t out_step) {
    constexpr auto kLanes = std::make_integer_sequence<int, Lanes>();
    Floats rows[Lanes], next[Lanes];
    for (int i = 0; i < Lanes; ++i) rows[i] = load(in + i * in_step);
    for (int size = Lanes; size > 1; size /= 2) {
      for (int i = 0; i < Lanes / 2; ++i) {
        next[2 * i] = low_halves(rows[i], rows[i + Lanes / 2], kLanes);
        next[2 * i + 1] = high_halves(rows[i], rows[i + Lanes / 2], kLanes);
      }
      for (int i = 0; i < Lanes; ++i) rows[i] = next[i];
    }
    for (int i = 0; i < Lanes; ++i) store(out + i * out_step, rows[i]);
  }

  static void pack_panel_transposed(int64_t rows, int64_t columns, const float* matrix,
                                    int64_t column_step, float* out) {
    for (int64_t c = 0; c < columns; c += Lanes) {
      for (int64_t r = 0; r < rows; r += Lanes) {
        const float* in = matrix + r + c * column_step;
        if (c + Lanes <= columns && r + Lanes <= rows) {
          transpose(in, column_step, out + r * kPanel + c, kPanel);
        } else {
          for (int64_t j = 0; j < least(Lanes, columns - c); ++j) {
            for (int64_t i = 0; i < least(Lanes, rows - r); ++i) {
              out[(r + i) * kPanel + c + j] = in[i + j * column_step];
            }
          }
        }
      }
    }
  }

  static void pack(int64_t rows, int64_t columns, Matrix matrix, Panels packed) {
    for (int64_t c = 0; c < columns; c += kPanel, packed.data += packed.step) {
      const int64_t width = least(kPanel, columns - c);
      if (width < kPanel) {
        for (int64_t i = 0; i < rows * kPanel; ++i) packed.data[i] = 0;
      }
      const float* in = matrix.data + c * matrix.column_step;
      if (matrix.column_step != 1) {
        pack_panel_transposed(rows, width, in, matrix.column_step, packed.data);
      } else if (width == kPanel) {
        for (int64_t r = 0; r < rows; ++r) {
          for (int v = 0; v < kPanel; v += Lanes) {
            store(packed.data + r * kPanel + v, load(in + r * matrix.row_step + v));
          }
        }
      } else {
        for (int64_t r = 0; r < rows; ++r) {
          for (int64_t i = 0; i < width; ++i)
            packed.data[r * kPanel + i] = in[r * matrix.row_step + i];
        }
      }
    }
  }

  // --- the product
  // ----------------------------------------------------------------------------------

  /// Rows × kPanel elements of the result; the last rows and columns are computed and not stored.
  [[gnu::always_inline]] static void tile(int64_t rows, int64_t columns, int64_t inner,
                                          const float* a, const float* b, float* out,
                                          int64_t row_step) {
    // Sums of parts round less than one long sum does.
    constexpr int64_t kPart = 128;
    Floats sums[Rows][Vectors] = {};
    for (int64_t start = 0; start < inner; start += kPart) {
      Floats part[Rows][Vectors] = {};
      for (int64_t k = least(kPart, inner - start); k > 0; --k, a += kPanel, b += kPanel) {
        Floats row[Vectors];
        for (int v = 0; v < Vectors; ++v) row[v] = load(b + v * Lanes);
        for (int r = 0; r < Rows; ++r) {
          for (int v = 0; v < Vectors; ++v) part[r][v] += a[r] * row[v];
        }
      }
      for (int r = 0; r < Rows; ++r) {
        for (int v = 0; v < Vectors; ++v) sums[r][v] += part[r][v];
      }
    }
    if (rows == Rows && columns == kPanel) {
      for (int r = 0; r < Rows; ++r) {
        for (int v = 0; v < Vectors; ++v) store(out + r * row_step + v * Lanes, sums[r][v]);
      }
      return;
    }
    float all[Rows][kPanel];
    for (int r = 0; r < Rows; ++r) {
      for (int v = 0; v < Vectors; ++v) store(all[r] + v * Lanes, sums[r][v]);
    }
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < columns; ++c) out[r * row_step + c] = all[r][c];
    }
  }

  struct Destination {
    float* data;
    int64_t row_step, panel_step;
    /// Whether the last panel is filled up.
    bool packed;
  };

  static void multiply_into(int64_t rows, int64_t columns, int64_t inner, Panels a, Panels b,
                            Destination out) {
    const auto one = [&](int64_t r, int64_t c) {
      tile(least(Rows, rows - r), out.packed ? kPanel : least(kPanel, columns - c), inner,
           a.data + r / kPanel * a.step + r % kPanel, b.data + c / kPanel * b.step,
           out.data + r * out.row_step + c / kPanel * out.panel_step, out.row_step);
    };
    // The smaller factor stays in the cache, the larger one is read once.
    if (columns <= rows) {
      for (int64_t r = 0; r < rows; r += Rows) {
        for (int64_t c = 0; c < columns; c += kPanel) one(r, c);
      }
    } else {
      for (int64_t c = 0; c < columns; c += kPanel) {
        for (int64_t r = 0; r < rows; r += Rows) one(r, c);
      }
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

  // --- softmax
  // --------------------------------------------------------------------------------------

  /// 2^x for x ≤ 0, to 1 ulp or so; NaN stays NaN.
  [[gnu::always_inline]] static Floats exp2_of(Floats x) {
    // x = n + f with n whole and |f| ≤ 1/2. Adding and taking away 1.5·2²³ rounds; what is left in
    // the low bits of the sum is n.
    constexpr float kRound = 12582912.0F;
    const Floats shifted = x + kRound;
    const Floats f = x - (shifted - kRound);
    // Taylor's series of 2^f; what is left out is below 1e-8 for |f| ≤ 1/2.
    Floats p = f * 1.52527338e-5F + 1.54035304e-4F;
    p = p * f + 1.33335581e-3F;
    p = p * f + 9.61812911e-3F;
    p = p * f + 5.55041087e-2F;
    p = p * f + 2.40226507e-1F;
    p = p * f + 6.93147181e-1F;
    p = p * f + 1.0F;
    const Floats power_of_n =
        reinterpret_cast<Floats>((reinterpret_cast<Ints>(shifted) + 127) << 23);
    return x < -125.0F ? Floats{} : p * power_of_n;
  }

  static void softmax_over_text(int64_t heads, int64_t text_tokens, int64_t image_tokens,
                                const float* bias, Panels scores) {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    for (int64_t i = 0; i < image_tokens; i += Lanes) {
      float* first = scores.data + i / kPanel * scores.step + i % kPanel;
      for (int64_t head = 0; head < heads; ++head) {
        float* column = first + head * text_tokens * kPanel;
        const float* head_bias = bias + head * text_tokens;
        Floats largest = Floats{} - kInfinity;
        for (int64_t t = 0; t < text_tokens; ++t) {
          const Floats score = load(column + t * kPanel) + head_bias[t];
          largest = score > largest ? score : largest;
        }
        largest = largest == -kInfinity ? Floats{} : largest;
        Floats sum = {};
        for (int64_t t = 0; t < text_tokens; ++t) {
          const Floats weight = exp2_of((load(column + t * kPanel) + head_bias[t]) - largest);
          store(column + t * kPanel, weight);
          sum += weight;
        }
        const Floats factor = sum == 0.0F ? Floats{} : 1.0F / sum;
        for (int64_t t = 0; t < text_tokens; ++t) {
          store(column + t * kPanel, load(column + t * kPanel) * factor);
        }
      }
    }
  }

  static constexpr Kernels table(const char* name) {
    return {name, kPanel, pack, multiply, multiply_packed, softmax_over_text};
  }
};

}  // namespace xattn::cpu
