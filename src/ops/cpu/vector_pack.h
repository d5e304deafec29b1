#pragma once

#include <cstdint>
#include <utility>

#include "ops/cpu/kernels.h"
#include "ops/cpu/vector_types.h"

namespace xattn::cpu {

/// Elements as they are stored, widened to float exactly as LibTorch does it.
template <int Lanes>
struct StoredFloat : VectorTypes<Lanes> {
  using Vectors = VectorTypes<Lanes>;
  using Element = float;
  [[gnu::always_inline]] static typename Vectors::Floats wide(const float* data) {
    return Vectors::load(data);
  }
};

template <int Lanes>
struct StoredBFloat16 {
  using Vectors = VectorTypes<Lanes>;
  using Element = uint16_t;
  [[gnu::always_inline]] static typename Vectors::Floats wide(const uint16_t* data) {
    const auto bits = *reinterpret_cast<const typename Vectors::HalvesInMemory*>(data);
    return reinterpret_cast<typename Vectors::Floats>(
        __builtin_convertvector(bits, typename Vectors::Ints) << 16);
  }
};

template <int Lanes>
struct StoredHalf {
  using Vectors = VectorTypes<Lanes>;
  using Element = uint16_t;
  [[gnu::always_inline]] static typename Vectors::Floats wide(const uint16_t* data) {
    using Floats = typename Vectors::Floats;
    using Ints = typename Vectors::Ints;
    const auto bits = __builtin_convertvector(
        *reinterpret_cast<const typename Vectors::HalvesInMemory*>(data), Ints);
    const Ints sign = (bits & 0x8000) << 16, size = bits & 0x7fff;
    const Ints normal = (size << 13) + (112 << 23);
    // A subnormal is a whole number of 2⁻²⁴, which is the last bit of a float from 1/2 to 1.
    const Ints subnormal =
        reinterpret_cast<Ints>(reinterpret_cast<Floats>(size | (126 << 23)) - 0.5F);
    // Infinity, and NaN, which becomes quiet.
    const Ints largest = (size << 13) | (255 << 23) | ((size > 0x7c00) & (1 << 22));
    const Ints finite = size < 0x0400 ? subnormal : normal;
    return reinterpret_cast<Floats>((size >= 0x7c00 ? largest : finite) | sign);
  }
};

/// How `Kernels::pack` is done with vectors of `Lanes` floats and panels of `kPanel`.
template <int Lanes, int kPanel>
struct VectorPack : VectorTypes<Lanes> {
  using Types = VectorTypes<Lanes>;
  using typename Types::Floats;
  using Types::least;
  using Types::store;
  static_assert(Lanes % 4 == 0);

  // Two vectors interleaved: `Size` elements of the one, `Size` of the other, out of each `Group`;
  // from the group's first half or, with `kSecond`, from its second one.
  template <int Size, int Group, int kSecond, int... I>
  [[gnu::always_inline]] static Floats interleave(Floats a, Floats b,
                                                  std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(
        a, b,
        (I / Group * Group + kSecond * Group / 2 + I % Group / (2 * Size) * Size + I % Size +
         I / Size % 2 * Lanes)...);
  }
  template <int Size, int Group, int kSecond>
  [[gnu::always_inline]] static Floats interleave(Floats a, Floats b) {
    return interleave<Size, Group, kSecond>(a, b, std::make_integer_sequence<int, Lanes>());
  }

  /// A square of Lanes × Lanes: squares of 4 × 4 within quarters of vectors, then those squares.
  template <typename Stored>
  [[gnu::always_inline]] static void transpose(const typename Stored::Element* in, int64_t in_step,
                                               float* out, int64_t out_step) {
    Floats rows[Lanes], next[Lanes];
    for (int i = 0; i < Lanes; ++i) rows[i] = Stored::wide(in + i * in_step);
    for (int i = 0; i < Lanes; i += 4) {
      const Floats a = interleave<1, 4, 0>(rows[i], rows[i + 1]),
                   b = interleave<1, 4, 1>(rows[i], rows[i + 1]),
                   c = interleave<1, 4, 0>(rows[i + 2], rows[i + 3]),
                   d = interleave<1, 4, 1>(rows[i + 2], rows[i + 3]);
      // Rows of the squares lie together: those that are interleaved next are Lanes / 2 apart.
      next[i / 4] = interleave<2, 4, 0>(a, c);
      next[i / 4 + Lanes / 4] = interleave<2, 4, 1>(a, c);
      next[i / 4 + Lanes / 2] = interleave<2, 4, 0>(b, d);
      next[i / 4 + Lanes / 4 * 3] = interleave<2, 4, 1>(b, d);
    }
    for (int j = 0; j < 4; ++j) {
      Floats* squares = next + j * Lanes / 4;
      constexpr int kSquares = Lanes / 4;
      for (int size = kSquares; size > 1; size /= 2) {
        Floats mixed[kSquares];
        for (int i = 0; i < kSquares / 2; ++i) {
          mixed[2 * i] = interleave<4, Lanes, 0>(squares[i], squares[i + kSquares / 2]);
          mixed[2 * i + 1] = interleave<4, Lanes, 1>(squares[i], squares[i + kSquares / 2]);
        }
        for (int i = 0; i < kSquares; ++i) squares[i] = mixed[i];
      }
      for (int i = 0; i < kSquares; ++i) store(out + (4 * i + j) * out_step, squares[i]);
    }
  }

  /// One element, by way of a vector of copies.
  template <typename Stored>
  [[gnu::always_inline]] static float wide_one(typename Stored::Element element) {
    typename Stored::Element copies[Lanes];
    for (int i = 0; i < Lanes; ++i) copies[i] = element;
    return Stored::wide(copies)[0];
  }

  template <typename Stored>
  [[gnu::always_inline]] static void pack_panel_transposed(int64_t rows, int64_t columns,
                                                           const typename Stored::Element* matrix,
                                                           int64_t column_step, float* out) {
    for (int64_t c = 0; c < columns; c += Lanes) {
      for (int64_t r = 0; r < rows; r += Lanes) {
        const auto* in = matrix + r + c * column_step;
        if (c + Lanes <= columns && r + Lanes <= rows) {
          // The next columns' lines, perhaps the next panel's: no processor foresees so many.
          for (int i = 0; r % 16 == 0 && i < Lanes; ++i) {
            __builtin_prefetch(in + (Lanes + i) * column_step);
          }
          transpose<Stored>(in, column_step, out + r * kPanel + c, kPanel);
          continue;
        }
        for (int64_t j = 0; j < least(Lanes, columns - c); ++j) {
          for (int64_t i = 0; i < least(Lanes, rows - r); ++i) {
            out[(r + i) * kPanel + c + j] = wide_one<Stored>(in[i + j * column_step]);
          }
        }
      }
    }
  }

  template <typename Stored>
  [[gnu::always_inline]] static void pack_panel(int64_t rows, int64_t columns,
                                                const typename Stored::Element* matrix,
                                                int64_t row_step, float* out) {
    for (int64_t r = 0; r < rows; ++r, matrix += row_step, out += kPanel) {
      int64_t c = 0;
      for (; c + Lanes <= columns; c += Lanes) store(out + c, Stored::wide(matrix + c));
      for (; c < columns; ++c) out[c] = wide_one<Stored>(matrix[c]);
    }
  }

  template <typename Stored>
  static void pack_stored(int64_t rows, int64_t columns, StoredMatrix matrix, Panels packed) {
    const auto* data = static_cast<const typename Stored::Element*>(matrix.data);
    for (int64_t c = 0; c < columns; c += kPanel, packed.data += packed.step) {
      const int64_t width = least(kPanel, columns - c);
      if (width < kPanel) {
        for (int64_t i = 0; i < rows * kPanel; ++i) packed.data[i] = 0;
      }
      const auto* in = data + c * matrix.column_step;
      if (matrix.column_step == 1) {
        pack_panel<Stored>(rows, width, in, matrix.row_step, packed.data);
      } else {
        pack_panel_transposed<Stored>(rows, width, in, matrix.column_step, packed.data);
      }
    }
  }

  static void pack(int64_t rows, int64_t columns, StoredMatrix matrix, Panels packed) {
    switch (matrix.type) {
      case StoredType::kFloat:
        return pack_stored<StoredFloat<Lanes>>(rows, columns, matrix, packed);
      case StoredType::kHalf:
        return pack_stored<StoredHalf<Lanes>>(rows, columns, matrix, packed);
      case StoredType::kBFloat16:
        return pack_stored<StoredBFloat16<Lanes>>(rows, columns, matrix, packed);
    }
  }
};

}  // namespace xattn::cpu
