#pragma once

#include <cstdint>

#include "ops/cpu/kernels.h"
#include "ops/cpu/vector_types.h"

namespace xattn::cpu {

/// Winograd's F(4×4, 3×3): a tile of 4×4 pixels of a 3×3 convolution from 36 products for each pair
/// of channels, where the definition has 144.
///
/// With the matrices of the points 0, ±a, ±b and ∞: tile = Aᵀ (Σ_c (G w Gᵀ) ⊙ (Bᵀ x B)) A, where x
/// are 6×6 pixels. The usual points are ±1 and ±2; with a = 5/8 and b = 3/2, whose squares and
/// products are floats, the sums lose half as much.
///
/// Reference: Lavin and Gray, arXiv 1509.09308; points: Barabasz et al., arXiv 1803.10986.
template <int Lanes, int kPanel>
struct VectorWinograd : VectorTypes<Lanes> {
  using Types = VectorTypes<Lanes>;
  using typename Types::Doubles;
  using typename Types::Floats;
  using Types::least;
  using Types::load;
  using Types::store;

  static constexpr int kIn = Winograd::kIn, kOut = Winograd::kOut;
  static constexpr float a = 0.625F, b = 1.5F, aa = a * a, bb = b * b;

  /// Bᵀ · x.
  [[gnu::always_inline]] static void enter(const Floats (&x)[kIn], Floats (&out)[kIn]) {
    const Floats even_a = x[4] - bb * x[2], odd_a = a * (x[3] - bb * x[1]);
    const Floats even_b = x[4] - aa * x[2], odd_b = b * (x[3] - aa * x[1]);
    out[0] = aa * bb * x[0] - (aa + bb) * x[2] + x[4];
    out[1] = even_a + odd_a;
    out[2] = even_a - odd_a;
    out[3] = even_b + odd_b;
    out[4] = even_b - odd_b;
    out[5] = aa * bb * x[1] - (aa + bb) * x[3] + x[5];
  }

  /// Aᵀ · x.
  [[gnu::always_inline]] static void leave(const Floats (&x)[kIn], Floats (&out)[kOut]) {
    const Floats sum_a = x[1] + x[2], difference_a = x[1] - x[2];
    const Floats sum_b = x[3] + x[4], difference_b = x[3] - x[4];
    out[0] = x[0] + sum_a + sum_b;
    out[1] = a * difference_a + b * difference_b;
    out[2] = aa * sum_a + bb * sum_b;
    out[3] = a * aa * difference_a + b * bb * difference_b + x[5];
  }

  /// G · w: the polynomial w at the points, over what Bᵀ and Aᵀ leave there.
  [[gnu::always_inline]] static void enter_weight(const Doubles (&w)[3], Doubles (&out)[kIn]) {
    constexpr double at_0 = 1 / (double{aa} * bb), at_a = 1 / (2 * double{aa} * (aa - bb)),
                     at_b = 1 / (2 * double{bb} * (bb - aa));
    const Doubles even_a = at_a * (w[0] + aa * w[2]), odd_a = at_a * a * w[1];
    const Doubles even_b = at_b * (w[0] + bb * w[2]), odd_b = at_b * b * w[1];
    out[0] = at_0 * w[0];
    out[1] = even_a + odd_a;
    out[2] = even_a - odd_a;
    out[3] = even_b + odd_b;
    out[4] = even_b - odd_b;
    out[5] = w[2];
  }

  static void enter_weights(const float* weight, int64_t in_channels, int64_t columns, float* out,
                            int64_t position_step) {
    for (int64_t c = 0; c < in_channels; ++c, weight += 9, out += kPanel) {
      for (int v = 0; v < kPanel; v += Lanes) {
        Doubles w[3][3], half[3][kIn];
        for (int lane = 0; lane < Lanes; ++lane) {
          for (int i = 0; i < 9; ++i) {
            w[i % 3][i / 3][lane] =
                v + lane < columns ? weight[(v + lane) * in_channels * 9 + i] : 0;
          }
        }
        for (int x = 0; x < 3; ++x) enter_weight(w[x], half[x]);
        for (int y = 0; y < kIn; ++y) {
          const Doubles row[3] = {half[0][y], half[1][y], half[2][y]};
          Doubles entered[kIn];
          enter_weight(row, entered);
          for (int x = 0; x < kIn; ++x) {
            store(out + (y * kIn + x) * position_step + v,
                  __builtin_convertvector(entered[x], Floats));
          }
        }
      }
    }
  }

  static void enter_tiles(PixelMap map, int64_t first, int64_t tiles, float* out,
                          int64_t position_step) {
    const int64_t across = (map.width + kOut - 1) / kOut;
    for (int64_t t = first; t < first + tiles; ++t, out += map.channels) {
      const int64_t top = t / across * kOut - 1, left = t % across * kOut - 1;
      const bool is_inside =
          top >= 0 && left >= 0 && top + kIn <= map.height && left + kIn <= map.width;
      const float* corner = map.data + (top * map.width + left) * map.channels;
      for (int64_t c = 0; c < map.channels; c += Lanes) {
        Floats rows[kIn][kIn];
#pragma GCC unroll 6
        for (int x = 0; x < kIn; ++x) {
          Floats column[kIn], entered[kIn];
#pragma GCC unroll 6
          for (int y = 0; y < kIn; ++y) {
            const bool is_there = is_inside || (top + y >= 0 && top + y < map.height &&
                                                left + x >= 0 && left + x < map.width);
            column[y] = is_there ? load(corner + (y * map.width + x) * map.channels + c) : Floats{};
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

  static void leave_tiles(const float* products, int64_t position_step, int64_t first,
                          int64_t tiles, int64_t channels, const float* bias, PixelMap out) {
    const int64_t across = (out.width + kOut - 1) / kOut;
    for (int64_t t = first; t < first + tiles; ++t, products += channels) {
      const int64_t top = t / across * kOut, left = t % across * kOut;
      const int64_t height = least(kOut, out.height - top), width = least(kOut, out.width - left);
      float* corner = out.data + (top * out.width + left) * out.channels;
      for (int64_t c = 0; c < channels; c += Lanes) {
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
        const Floats shift = bias ? load(bias + c) : Floats{};
        for (int64_t y = 0; y < height; ++y) {
          Floats pixels[kOut];
          leave(rows[y], pixels);
          float* to = corner + y * out.width * out.channels + c;
          for (int64_t x = 0; x < width; ++x) store(to + x * out.channels, pixels[x] + shift);
        }
      }
    }
  }
};

}  // namespace xattn::cpu
