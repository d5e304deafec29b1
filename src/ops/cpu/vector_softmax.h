#pragma once

#include <cstdint>
#include <limits>

#include "ops/cpu/kernels.h"
#include "ops/cpu/vector_exp2.h"
#include "ops/cpu/vector_types.h"

namespace xattn::cpu {

/// How `Kernels::softmax_over_text` is done with vectors of `Lanes` floats and panels of `kPanel`.
template <int Lanes, int kPanel>
struct VectorSoftmax : VectorTypes<Lanes> {
  using Types = VectorTypes<Lanes>;
  using typename Types::Floats;
  using Types::load;
  using Types::store;

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
    const VectorExp2<Lanes> exp2;
    for (int64_t t = 0; t < text_tokens; ++t) {
      float* score = scores + t * kPanel;
      Floats x[kVectors];
      for (int v = 0; v < kVectors; ++v) x[v] = (load(score + v * Lanes) + bias[t]) - largest[v];
      exp2.apply(x);
      for (int v = 0; v < kVectors; ++v) {
        store(score + v * Lanes, x[v]);
        sum[v] += x[v];
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
