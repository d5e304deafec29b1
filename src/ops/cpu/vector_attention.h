#pragma once

#include <cstdint>
#include <limits>

#include "ops/cpu/kernels.h"
#include "ops/cpu/vector_exp2.h"
#include "ops/cpu/vector_pack.h"
#include "ops/cpu/vector_types.h"

namespace xattn::cpu {

/// Attention of many queries to many keys, which come block by block: softmax(q kᵀ · scale) v.
///
/// With the largest score m so far, the sum l of the weights 2^(score - m) and that of weights and
/// values o, a further block makes of them
///
///     m' = max(m, scores)    l' = l · 2^(m - m') + Σ weights    o' = o · 2^(m - m') + Σ weights ·
///     v
///
/// and the output is o / l. Queries lie side by side in vectors, so that all of it is element by
/// element. Reference: Milakov and Gimelshein, arXiv 1805.02867; Dao et al., arXiv 2205.14135.
template <int Lanes, int Vectors, int Rows>
struct VectorAttention : VectorTypes<Lanes> {
  using Types = VectorTypes<Lanes>;
  using typename Types::Floats;
  using Types::least;
  using Types::load;
  using Types::store;
  using Some = VectorTypes<Rows>;
  using Exp2 = VectorExp2<Lanes>;
  static constexpr int kPanel = Lanes * Vectors;
  static_assert(Lanes % Rows == 0);
  /// The longest sum of a score: a panel's queries of it stay in the first cache, and parts round
  /// less.
  static constexpr int64_t kPart = 160;
  static constexpr float kInfinity = std::numeric_limits<float>::infinity();

  [[gnu::always_inline]] static int64_t fill(int64_t size, int64_t unit) {
    return (size + unit - 1) / unit * unit;
  }
  [[gnu::always_inline]] static Floats larger(Floats a, Floats b) { return a > b ? a : b; }

  /// What is kept of a panel's queries. `sums` has whole tiles.
  struct State {
    State(float* data, int64_t width)
        : query(data),
          largest(query + width * kPanel),
          total(largest + kPanel),
          sums(total + kPanel) {}

    float *query, *largest, *total, *sums;
  };

  /// A block of keys `[keys / Lanes, width, Lanes]`, of values `[width / Rows, keys, Rows]`, filled
  /// up with zeros, so that tiles read them in order, and room for scores.
  struct Block {
    Block(float* scratch, int64_t keys, int64_t width)
        : keys(scratch),
          values(this->keys + fill(keys, Lanes) * width),
          scores(values + fill(width, Rows) / Rows * value_step(keys)) {}

    float *keys, *values, *scores;
  };

  /// From some rows of values to the next: a line more than there are, for those that lie a large
  /// power of two apart share a few lines of the cache.
  [[gnu::always_inline]] static int64_t value_step(int64_t keys) { return keys * Rows + 16; }

  /// out[r * out_step + i] = in[i * in_step + r], for r < width, i < rows ≤ Lanes; zero up to
  /// Lanes.
  static void transpose(int64_t rows, int64_t width, const float* in, int64_t in_step, float* out,
                        int64_t out_step) {
    if (rows == Lanes && width >= Lanes) {
      for (int64_t r = 0; r < width; r += Lanes) {
        const auto at = least(r, width - Lanes);  // the last square may cover some again
        VectorPack<Lanes, kPanel>::template transpose<StoredFloat<Lanes>>(
            in + at, in_step, out + at * out_step, out_step);
      }
      return;
    }
    for (int64_t r = 0; r < width; ++r) {
      for (int64_t i = 0; i < Lanes; ++i) {
        out[r * out_step + i] = i < rows ? in[i * in_step + r] : 0;
      }
    }
  }

  /// Rows on their way to the cache: they lie far apart in memory, and no processor foresees them.
  static void prefetch(int64_t rows, int64_t width, Matrix matrix, int64_t first) {
    const float* row = matrix.data + first * matrix.row_step;
    for (int64_t r = 0; r < rows; ++r, row += matrix.row_step) {
      for (int64_t c = 0; c < width; c += 16) __builtin_prefetch(row + c);
      __builtin_prefetch(row + width - 1);
    }
  }

  static void pack_keys(int64_t keys, int64_t width, Matrix key, float* packed) {
    for (int64_t k = 0; k < keys; k += Lanes) {
      prefetch(Lanes, width, key, k + Lanes);
      transpose(least(Lanes, keys - k), width, key.data + k * key.row_step, key.row_step,
                packed + k * width, Lanes);
    }
  }

  static void pack_values(int64_t keys, int64_t width, Matrix value, float* packed) {
    for (int64_t k = 0; k < keys; ++k, value.data += value.row_step) {
      prefetch(1, width, value, 16);
      float* to = packed + k * Rows;
      int64_t c = 0;
      for (; c + Rows <= width; c += Rows, to += value_step(keys)) {
        Some::store(to, Some::load(value.data + c));
      }
      for (int64_t i = 0; c < width && i < Rows; ++i) to[i] = c + i < width ? value.data[c + i] : 0;
    }
  }

  /// A tile: sums[r][v] = Σ a[i * kStep + r] · b[i * kPanel + v * Lanes].
  template <int kStep, int kVectors>
  [[gnu::always_inline]] static void multiply(int64_t inner, const float* a, const float* b,
                                              Floats (&sums)[Rows][kVectors]) {
    // Unrolled, so that the sums are in registers only.
#pragma GCC unroll 32
    for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 32
      for (int v = 0; v < kVectors; ++v) sums[r][v] = Floats{};
    }
#pragma GCC unroll 4
    for (int64_t i = 0; i < inner; ++i, a += kStep, b += kPanel) {
      Floats row[kVectors];
      for (int v = 0; v < kVectors; ++v) row[v] = load(b + v * Lanes);
      for (int r = 0; r < Rows; ++r) {
        for (int v = 0; v < kVectors; ++v) sums[r][v] += a[r] * row[v];
      }
    }
  }

  /// Scores of keys, `[keys, kPanel]`, and the largest so far.
  template <int kVectors>
  static void score(int64_t keys, int64_t width, const Block& block, const State& state) {
    const auto parts = (width + kPart - 1) / kPart, part = (width + parts - 1) / parts;
    for (int64_t start = 0; start < width; start += part) {
      const auto length = least(part, width - start);
      for (int64_t k = 0; k < keys; k += Rows) {
        Floats sums[Rows][kVectors];
        const float* key = block.keys + k / Lanes * Lanes * width + start * Lanes + k % Lanes;
        multiply<Lanes>(length, key, state.query + start * kPanel, sums);
        float* to = block.scores + k * kPanel;
        if (start > 0) {
#pragma GCC unroll 32
          for (int r = 0; r < Rows; ++r) {
            for (int v = 0; v < kVectors; ++v) sums[r][v] += load(to + r * kPanel + v * Lanes);
          }
        }
        Floats largest[kVectors];
        for (int v = 0; v < kVectors; ++v) largest[v] = load(state.largest + v * Lanes);
#pragma GCC unroll 32
        for (int r = 0; r < Rows; ++r) {
          for (int v = 0; v < kVectors; ++v) {
            store(to + r * kPanel + v * Lanes, sums[r][v]);
            largest[v] = larger(sums[r][v], largest[v]);
          }
        }
        if (start + length < width) continue;
        if (keys - k < Rows) {  // zeros of no key are in the tile
          for (int v = 0; v < kVectors; ++v) {
            largest[v] = load(state.largest + v * Lanes);
            for (int64_t r = 0; r < keys - k; ++r) {
              largest[v] = larger(load(to + r * kPanel + v * Lanes), largest[v]);
            }
          }
        }
        for (int v = 0; v < kVectors; ++v) store(state.largest + v * Lanes, largest[v]);
      }
    }
  }

  /// The weights of some keys in place of their scores, and their sum.
  template <int kKeys>
  [[gnu::always_inline]] static Floats weights(const Exp2& exp2, Floats largest, float* scores) {
    Floats x[kKeys];
    for (int i = 0; i < kKeys; ++i) x[i] = load(scores + i * kPanel) - largest;
    exp2.apply(x);
    for (int i = 0; i < kKeys; ++i) store(scores + i * kPanel, x[i]);
    for (int i = 1; i < kKeys; ++i) x[0] += x[i];
    return x[0];
  }

  /// The weights of one vector of queries in place of their scores. Returns what the sums so far
  /// are to be multiplied with.
  [[gnu::always_inline]] static Floats weigh(const Exp2& exp2, int64_t keys, float* scores,
                                             Floats before, Floats largest, float* total) {
    // Where every score is -∞, none of them less itself is NaN.
    largest = largest == -kInfinity ? Floats{} : largest;
    Floats factor[1] = {before - largest};
    exp2.apply(factor);
    constexpr int kAtOnce = Lanes >= 8 ? Lanes / 4 : 1;  // as many as there are registers for
    Floats sum = {};
    int64_t k = 0;
    for (; k + kAtOnce <= keys; k += kAtOnce) {
      sum += weights<kAtOnce>(exp2, largest, scores + k * kPanel);
    }
    for (; k < keys; ++k) sum += weights<1>(exp2, largest, scores + k * kPanel);
    store(total, load(total) * factor[0] + sum);
    return factor[0];
  }

  /// A panel's queries and a block of keys.
  template <int kVectors>
  static void attend_panel(int64_t keys, int64_t width, const Block& block, const State& state) {
    Floats factor[kVectors];
    for (int v = 0; v < kVectors; ++v) factor[v] = load(state.largest + v * Lanes);
    score<kVectors>(keys, width, block, state);
    const Exp2 exp2;
    for (int v = 0; v < kVectors; ++v) {
      factor[v] = weigh(exp2, keys, block.scores + v * Lanes, factor[v],
                        load(state.largest + v * Lanes), state.total + v * Lanes);
    }
    for (int64_t c = 0; c < width; c += Rows) {
      Floats sums[Rows][kVectors];
      multiply<Rows>(keys, block.values + c / Rows * value_step(keys), block.scores, sums);
      float* to = state.sums + c * kPanel;
#pragma GCC unroll 32
      for (int r = 0; r < Rows; ++r) {
        for (int v = 0; v < kVectors; ++v) {
          float* sum = to + r * kPanel + v * Lanes;
          store(sum, load(sum) * factor[v] + sums[r][v]);
        }
      }
    }
  }

  /// The same for the vectors that have queries.
  template <int kVectors>
  static void attend_vectors(int64_t vectors, int64_t keys, int64_t width, const Block& block,
                             const State& state) {
    if constexpr (kVectors < Vectors) {
      if (vectors > kVectors) {
        return attend_vectors<kVectors + 1>(vectors, keys, width, block, state);
      }
    }
    attend_panel<kVectors>(keys, width, block, state);
  }

  static void begin_attention(int64_t queries, int64_t width, float scale, Matrix query,
                              float* data) {
    for (int64_t i = 0; i < queries; i += kPanel, data += attention_state(width) * kPanel) {
      const State state(data, width);
      for (int64_t v = 0; v < least(kPanel, queries - i); v += Lanes) {
        prefetch(Lanes, width, query, i + v + Lanes);
        transpose(least(Lanes, queries - i - v), width, query.data + (i + v) * query.row_step,
                  query.row_step, state.query + v, kPanel);
      }
      for (int64_t j = 0; j < width * kPanel; j += Lanes) {
        store(state.query + j, load(state.query + j) * scale);
      }
      for (int64_t j = 0; j < fill(width, Rows) * kPanel; j += Lanes) {
        store(state.sums + j, Floats{});
      }
      for (int v = 0; v < kPanel; v += Lanes) {
        store(state.largest + v, Floats{} - kInfinity);
        store(state.total + v, Floats{});
      }
    }
  }

  static void attend(int64_t queries, int64_t keys, int64_t width, Matrix key, Matrix value,
                     float* scratch, float* data) {
    const Block block(scratch, keys, width);
    pack_keys(keys, width, key, block.keys);
    pack_values(keys, width, value, block.values);
    for (int64_t i = 0; i < queries; i += kPanel, data += attention_state(width) * kPanel) {
      const auto vectors = (least(kPanel, queries - i) + Lanes - 1) / Lanes;
      attend_vectors<1>(vectors, keys, width, block, {data, width});
    }
  }

  static void finish_attention(int64_t queries, int64_t width, float* data, Matrix out) {
    for (int64_t i = 0; i < queries; i += kPanel, data += attention_state(width) * kPanel) {
      const State state(data, width);
      for (int64_t v = 0; v < least(kPanel, queries - i); v += Lanes) {
        // Where every score is -∞ the output is zero, as LibTorch's.
        const Floats total = load(state.total + v),
                     factor = total == 0.0F ? Floats{} : 1.0F / total;
        for (int64_t c = 0; c < width; ++c) {
          float* sum = state.sums + c * kPanel + v;
          store(sum, load(sum) * factor);
        }
        write(least(Lanes, queries - i - v), width, state.sums + v,
              {out.data + (i + v) * out.row_step, out.row_step});
      }
    }
  }

  /// The transpose of sums `[width, kPanel]`.
  static void write(int64_t queries, int64_t width, const float* sums, Matrix out) {
    if (queries == Lanes && width >= Lanes) {
      for (int64_t c = 0; c < width; c += Lanes) {
        const auto at = least(c, width - Lanes);
        VectorPack<Lanes, kPanel>::template transpose<StoredFloat<Lanes>>(
            sums + at * kPanel, kPanel, out.data + at, out.row_step);
      }
      return;
    }
    for (int64_t q = 0; q < queries; ++q) {
      for (int64_t c = 0; c < width; ++c) out.data[q * out.row_step + c] = sums[c * kPanel + q];
    }
  }
};

}  // namespace xattn::cpu
