#include "ops/self_attention.h"

#include <ATen/ops/scaled_dot_product_attention.h>
#include <fmt/format.h>

#include "ops/cpu/choice.h"
#include "ops/cpu/self_attention.h"
#include "ops/gradient.h"
#include "ops/kernel_arguments.h"
#include "ops/planned.h"
#include "xattn/ops/cross_attention.h"
#include "xattn/ops/linear.h"

namespace xattn {
namespace {

/// Whether our kernels may compute it. What does not fit is LibTorch's to refuse.
bool can_attend(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value) {
  return cpu::use_kernels() && is_plain_float(query) && is_plain_float(key) &&
         is_plain_float(value) && query.dim() == 4 && key.dim() == 4 && query.numel() > 0 &&
         key.numel() > 0 && key.sizes() == value.sizes() && query.size(0) == key.size(0) &&
         query.size(1) == key.size(1) && query.size(3) == key.size(3) && !is_autocast(at::kCPU) &&
         !wants_gradient({query, key, value});
}

}  // namespace

at::Tensor scaled_dot_product_attention(const at::Tensor& query, const at::Tensor& key,
                                        const at::Tensor& value, double divisor) {
  const auto compute = [&](bool ours) {
    return ours ? cpu::self_attention(query, key, value, divisor)
                : at::scaled_dot_product_attention(query, key, value, {}, 0.0, false, 1 / divisor);
  };
  if (!can_attend(query, key, value)) return compute(/*ours=*/false);
  return by_ours_or_libtorchs(
      cpu::self_attention_is_faster(query.size(2), key.size(2), query.size(3)),
      [&] { return fmt::format("attention {} of {}", sizes_name(query.sizes()), key.size(2)); },
      compute);
}

bool self_attention_is_faster(const CrossAttentionWeights& weights, const at::Tensor& features) {
  const auto tokens = features.size(1), width = weights.query_weight.size(0) / weights.num_heads;
  return features.numel() > 0 && can_use_blocks(weights, features) &&
         cpu::self_attention_is_faster(tokens, tokens, width);
}

at::Tensor self_attention(const CrossAttentionWeights& weights, const at::Tensor& features) {
  const auto project = [&](const at::Tensor& weight, const at::Tensor& bias) {
    return xattn::linear(features, weight, bias)
        .unflatten(-1, {weights.num_heads, -1})
        .transpose(1, 2);
  };
  const auto query = project(weights.query_weight, weights.query_bias),
             key = project(weights.key_weight, weights.key_bias),
             value = project(weights.value_weight, weights.value_bias);
  const auto heads = xattn::scaled_dot_product_attention(query, key, value, weights.divisor);
  return xattn::linear(heads.transpose(1, 2).flatten(2), weights.out_weight, weights.out_bias);
}

}  // namespace xattn
