#pragma once

#include <cstdint>
#include <limits>

#include "ops/cpu/kernels.h"
#include "ops/cpu/vector_types.h"

namespace xattn::cpu {

/// How `Kernels::softmax_over_text` is done with vectors of `Lanes` floats and panels of `kPanel`.
template <int Lanes, int kPanel>
struct VectorSoftmax : VectorTypes<Lanes> {
  using Types = VectorTypes<Lanes>;
  using typename Types::Floats;
  using typename Types::Ints;
  using Types::load;
  using Types::store;

  /// 2^x for x ≤ 0, to 1 ulp or so; NaN stays NaN.
  [[gnu::always_inline]] static Floats exp2_of(Floats x) {
    // x = n + f with n whole and |f| ≤ 1/2. Adding and taking away 1.5·2²³ rounds; what is left in
    // the low bits of the sum is n.
    constexpr float kRound = 12582912.0F;
    const Floats shifted = x + kRound;
    const Floats f = x - (shifted - kRound);
    // The polynomial of degree 6 whose largest relative error for |f| ≤ 1/2 is least, 2e-9.
    Floats p = f * 1.53458120e-4F + 1.33999314e-3F;
    p = p * f + 9.61848896e-3F;
    p = p * f + 5.55032878e-2F;
    p = p * f + 2.40226469e-1F;
    p = p * f + 6.93147206e-1F;
    p = p * f + 1.0F;
    const Floats power_of_n =
        reinterpret_cast<Floats>((reinterpret_cast<Ints>(shifted) + 127) << 23);
    return x < -125.0F ? Floats{} : p * power_of_n;
  }

  /// One head's weights of `kVectors` vectors of image tokens, which lie side by side.
  template <int kVectors>
  static void softmax(int64_t text_tokens, const float* bias, float* scores) {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    Floats largest[kVectors], sum[kVectors] = {}, factor[kVectors];
    for (int v = 0; v < kVectors; ++v) largest[v] = Floats{} - kInfinity;
    for (int64_t t = 0; t < text_tokens; ++t) {
      for (int v = 0; v < kVectors; ++v) {
        const Floats score = load(scores + t * kPanel + v * Lanes) + bias[t];
        largest[v] = score > largest[v] ? score : largest[v];
      }
    }
    for (int v = 0; v < kVectors; ++v) {
      largest[v] = largest[v] == -kInfinity ? Floats{} : largest[v];
    }
    for (int64_t t = 0; t < text_tokens; ++t) {
      for (int v = 0; v < kVectors; ++v) {
        float* score = scores + t * kPanel + v * Lanes;
        const Floats weight = exp2_of((load(score) + bias[t]) - largest[v]);
        store(score, weight);
        sum[v] += weight;
      }
    }
    for (int v = 0; v < kVectors; ++v) factor[v] = sum[v] == 0.0F ? Floats{} : 1.0F / sum[v];
    for (int64_t t = 0; t < text_tokens; ++t) {
      for (int v = 0; v < kVectors; ++v) {
        float* weight = scores + t * kPanel + v * Lanes;
        store(weight, load(weight) * factor[v]);
      }
    }
  }

  static void softmax_over_text(int64_t heads, int64_t text_tokens, int64_t image_tokens,
                                const float* bias, Panels scores) {
    for (int64_t i = 0; i < image_tokens; i += kPanel, scores.data += scores.step) {
      float* head_scores = scores.data;
      const float* head_bias = bias;
      for (int64_t h = 0; h < heads; ++h) {
        if (image_tokens - i > kPanel - Lanes) {
          softmax<kPanel / Lanes>(text_tokens, head_bias, head_scores);
        } else {
          for (int64_t v = 0; v < image_tokens - i; v += Lanes) {
            softmax<1>(text_tokens, head_bias, head_scores + v);
          }
        }
        head_scores += text_tokens * kPanel;
        head_bias += text_tokens;
      }
    }
  }
};

}  // namespace xattn::cpu
