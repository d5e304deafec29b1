#pragma once

#include <cstdint>

#include "ops/cpu/kernels.h"
#include "ops/cpu/vector_pack.h"
#include "ops/cpu/vector_types.h"

namespace xattn::cpu {

/// The matrices of Winograd's F(n×n, 3×3): a tile of n×n pixels of a 3×3 convolution from (n + 2)²
/// products for each pair of channels, where the definition has 9 n². With x the tile's
/// (n + 2)×(n + 2) pixels: tile = Aᵀ (Σ_c (G w Gᵀ) ⊙ (Bᵀ x B)) A.
///
/// `enter` is Bᵀ · x, `leave` is Aᵀ · x, and `enter_weight` is G · w, the polynomial w at the
/// points over what Bᵀ and Aᵀ leave there.
///
/// Reference: Lavin and Gray, arXiv 1509.09308.
template <int Lanes, int kOut>
struct WinogradMatrices;

/// The points 0, ±a, ±b and ∞. The usual ones are ±1 and ±2; with a = 5/8 and b = 3/2, whose
/// squares and products are floats, the sums lose half as much (Barabasz et al., arXiv 1803.10986).
template <int Lanes>
struct WinogradMatrices<Lanes, 4> {
  using Floats = typename VectorTypes<Lanes>::Floats;
  static constexpr float a = 0.625F, b = 1.5F, aa = a * a, bb = b * b;

  [[gnu::always_inline]] static void enter(const Floats (&x)[6], Floats (&out)[6]) {
    const Floats even_a = x[4] - bb * x[2], odd_a = a * (x[3] - bb * x[1]);
    const Floats even_b = x[4] - aa * x[2], odd_b = b * (x[3] - aa * x[1]);
    out[0] = aa * bb * x[0] - (aa + bb) * x[2] + x[4];
    out[1] = even_a + odd_a;
    out[2] = even_a - odd_a;
    out[3] = even_b + odd_b;
    out[4] = even_b - odd_b;
    out[5] = aa * bb * x[1] - (aa + bb) * x[3] + x[5];
  }

  [[gnu::always_inline]] static void leave(const Floats (&x)[6], Floats (&out)[4]) {
    const Floats sum_a = x[1] + x[2], difference_a = x[1] - x[2];
    const Floats sum_b = x[3] + x[4], difference_b = x[3] - x[4];
    out[0] = x[0] + sum_a + sum_b;
    out[1] = a * difference_a + b * difference_b;
    out[2] = aa * sum_a + bb * sum_b;
    out[3] = a * aa * difference_a + b * bb * difference_b + x[5];
  }

  [[gnu::always_inline]] static void enter_weight(const Floats (&w)[3], Floats (&out)[6]) {
    constexpr float at_0 = 1 / (aa * bb), at_a = 1 / (2 * aa * (aa - bb)),
                    at_b = 1 / (2 * bb * (bb - aa));
    const Floats even_a = at_a * w[0] + (at_a * aa) * w[2], odd_a = (at_a * a) * w[1];
    const Floats even_b = at_b * w[0] + (at_b * bb) * w[2], odd_b = (at_b * b) * w[1];
    out[0] = at_0 * w[0];
    out[1] = even_a + odd_a;
    out[2] = even_a - odd_a;
    out[3] = even_b + odd_b;
    out[4] = even_b - odd_b;
    out[5] = w[2];
  }
};

/// The points 0, ±1 and ∞: nothing is multiplied but by 1/2, so little is lost.
template <int Lanes>
struct WinogradMatrices<Lanes, 2> {
  using Floats = typename VectorTypes<Lanes>::Floats;

  [[gnu::always_inline]] static void enter(const Floats (&x)[4], Floats (&out)[4]) {
    out[0] = x[0] - x[2];
    out[1] = x[2] + x[1];
    out[2] = x[2] - x[1];
    out[3] = x[3] - x[1];
  }

  [[gnu::always_inline]] static void leave(const Floats (&x)[4], Floats (&out)[2]) {
    out[0] = x[0] + x[1] + x[2];
    out[1] = x[1] - x[2] + x[3];
  }

  [[gnu::always_inline]] static void enter_weight(const Floats (&w)[3], Floats (&out)[4]) {
    const Floats even = 0.5F * (w[0] + w[2]), odd = 0.5F * w[1];
    out[0] = w[0];
    out[1] = even + odd;
    out[2] = even - odd;
    out[3] = w[2];
  }
};

/// How `Kernels::tiles` and `Kernels::small_tiles` are done with vectors of `Lanes` floats and
/// panels of `kPanel`.
template <int Lanes, int kPanel, int kOut>
struct VectorWinograd : VectorTypes<Lanes>, WinogradMatrices<Lanes, kOut> {
  using Types = VectorTypes<Lanes>;
  using Matrices = WinogradMatrices<Lanes, kOut>;
  using Pack = VectorPack<Lanes, kPanel>;
  using Floats = typename Types::Floats;
  using Matrices::enter;
  using Matrices::enter_weight;
  using Matrices::leave;
  using Types::least;
  using Types::load;
  using Types::store;

  static constexpr int kIn = kOut + 2;

  static constexpr WinogradTiles table() { return {kOut, enter_weights, enter_tiles, leave_tiles}; }

  /// G · w · Gᵀ of the weights of a vector of channels, w[3 * y + x].
  [[gnu::always_inline]] static void enter_square(const float (*w)[Lanes], float* out,
                                                  int64_t position_step) {
    Floats half[3][kIn];
#pragma GCC unroll 3
    for (int x = 0; x < 3; ++x) {
      const Floats column[3] = {load(w[x]), load(w[3 + x]), load(w[6 + x])};
      enter_weight(column, half[x]);
    }
#pragma GCC unroll 6
    for (int y = 0; y < kIn; ++y) {
      const Floats row[3] = {half[0][y], half[1][y], half[2][y]};
      Floats entered[kIn];
      enter_weight(row, entered);
#pragma GCC unroll 6
      for (int x = 0; x < kIn; ++x, out += position_step) {
        asm("" : "+r"(out));  // or the compiler keeps as many addresses as positions, in memory
        store(out, entered[x]);
      }
    }
  }

  /// Weights of a vector of input channels, on their way to the second cache: no processor foresees
  /// so many rows.
  template <typename Element>
  [[gnu::always_inline]] static void fetch_weights(const Element* row) {
    constexpr int64_t kLine = 64 / sizeof(Element);
    for (int64_t i = 0; i < 9 * Lanes; i += kLine) __builtin_prefetch(row + i, 0, 2);
  }

  template <typename Stored>
  [[gnu::always_inline]] static void enter_stored(int64_t in_channels, int64_t columns,
                                                  StoredMatrix weight, const void* next, float* out,
                                                  int64_t position_step) {
    using Element = typename Stored::Element;
    const auto* data = static_cast<const Element*>(weight.data);
    for (int64_t c = 0; c < in_channels; c += Lanes, data += 9 * Lanes) {
      const auto* const ahead =
          c + Lanes < in_channels ? data + 9 * Lanes : static_cast<const Element*>(next);
      for (int64_t v = 0; v < columns; v += Lanes) {
        const auto* from = data + v * weight.row_step;
        float w[9 * Lanes][Lanes];
        for (int64_t i = 0; i < 9 * Lanes; i += Lanes) {
          Pack::template transpose<Stored>(from + i, weight.row_step, w[i], Lanes);
        }
        for (int64_t i = 0; i < Lanes; ++i) {
          if (ahead) fetch_weights(ahead + (v + i) * weight.row_step);
          enter_square(w + 9 * i, out + (c + i) * kPanel + v, position_step);
        }
      }
    }
  }

  static void enter_weights(int64_t in_channels, int64_t columns, StoredMatrix weight,
                            const void* next, float* out, int64_t position_step) {
    switch (weight.type) {
      case StoredType::kFloat:
        return enter_stored<StoredFloat<Lanes>>(in_channels, columns, weight, next, out,
                                                position_step);
      case StoredType::kHalf:
        return enter_stored<StoredHalf<Lanes>>(in_channels, columns, weight, next, out,
                                               position_step);
      case StoredType::kBFloat16:
        return enter_stored<StoredBFloat16<Lanes>>(in_channels, columns, weight, next, out,
                                                   position_step);
    }
  }

  static void enter_tiles(PixelMap map, TileRow row, float* out, int64_t position_step) {
    const int64_t top = row.top;
    for (int64_t t = 0; t < row.count; ++t, out += map.channels) {
      const int64_t left = row.left + t * kOut;
      const bool is_inside =
          top >= 0 && left >= 0 && top + kIn <= map.height && left + kIn <= map.width;
      const float* corner = map.data + (top * map.width + left) * map.step;
      for (int64_t c = 0; c < map.channels; c += Lanes) {
        Floats rows[kIn][kIn];
#pragma GCC unroll 6
        for (int x = 0; x < kIn; ++x) {
          Floats column[kIn], entered[kIn];
#pragma GCC unroll 6
          for (int y = 0; y < kIn; ++y) {
            const bool is_there = is_inside || (top + y >= 0 && top + y < map.height &&
                                                left + x >= 0 && left + x < map.width);
            column[y] = is_there ? load(corner + (y * map.width + x) * map.step + c) : Floats{};
          }
          enter(column, entered);
#pragma GCC unroll 6
          for (int y = 0; y < kIn; ++y) rows[y][x] = entered[y];
        }
#pragma GCC unroll 6
        for (int y = 0; y < kIn; ++y) {
          Floats entered[kIn];
          enter(rows[y], entered);
#pragma GCC unroll 6
          for (int x = 0; x < kIn; ++x) {
            store(out + (y * kIn + x) * position_step + c, entered[x]);
          }
        }
      }
    }
  }

  static void leave_tiles(const float* products, int64_t position_step, TileRow row,
                          Addends addends, PixelMap out) {
    const int64_t top = row.top, height = least(kOut, out.height - top);
    for (int64_t t = 0; t < row.count; ++t, products += out.channels) {
      const int64_t left = row.left + t * kOut, width = least(kOut, out.width - left);
      const int64_t first = (top * out.width + left) * out.step;
      for (int64_t c = 0; c < out.channels; c += Lanes) {
        Floats rows[kOut][kIn];
#pragma GCC unroll 6
        for (int x = 0; x < kIn; ++x) {
          Floats column[kIn], left_column[kOut];
#pragma GCC unroll 6
          for (int y = 0; y < kIn; ++y) {
            column[y] = load(products + (y * kIn + x) * position_step + c);
          }
          leave(column, left_column);
#pragma GCC unroll 6
          for (int y = 0; y < kOut; ++y) rows[y][x] = left_column[y];
        }
        const Floats shift = addends.shift ? load(addends.shift + c) : Floats{};
        for (int64_t y = 0; y < height; ++y) {
          Floats pixels[kOut];
          leave(rows[y], pixels);
          const int64_t at = first + y * out.width * out.step + c;
          for (int64_t x = 0; x < width; ++x) {
            const int64_t pixel = at + x * out.step;
            Floats value = pixels[x] + shift;
            if (addends.residual) value += load(addends.residual + pixel);
            store(out.data + pixel, value);
          }
        }
      }
    }
  }
};

}  // namespace xattn::cpu
