#include "xattn/models/clip/clip_attention.h"

#include <ATen/ops/scaled_dot_product_attention.h>

#include <string>

#include "core/call.h"
#include "core/check.h"

namespace xattn {
namespace {

constexpr auto kCLIPAttention = "CLIPAttention";

void check_mask(const torch::Tensor& mask, const torch::Tensor& hidden_states) {
  if (!mask.defined() || mask.scalar_type() != torch::kBool) {
    throw_value_error(kCLIPAttention, "attention_mask", "a boolean tensor",
                      mask.defined() ? dtype_text(mask.scalar_type()) : "an undefined tensor");
  }
  const auto tokens = hidden_states.size(1);
  check_shape(kCLIPAttention, "attention_mask", mask, {"B or 1", "heads or 1", tokens, tokens});
  check_device(kCLIPAttention, "attention_mask", mask, hidden_states);
}

}  // namespace

CLIPAttentionImpl::CLIPAttentionImpl(const CLIPAttentionOptions& options_) : options(options_) {
  reset();
}

void CLIPAttentionImpl::reset() {
  const auto hidden_size = options.hidden_size(), heads = options.num_attention_heads();
  check_at_least(kCLIPAttention, "hidden_size", hidden_size, 1);
  check_at_least(kCLIPAttention, "num_attention_heads", heads, 1);
  if (hidden_size % heads != 0) {
    throw_value_error(kCLIPAttention, "hidden_size",
                      "a multiple of num_attention_heads = " + std::to_string(heads),
                      std::to_string(hidden_size));
  }
  const auto linear = [&](const char* name) {
    return register_module(name, Linear(hidden_size, hidden_size));
  };
  k_proj = linear("k_proj");
  v_proj = linear("v_proj");
  q_proj = linear("q_proj");
  out_proj = linear("out_proj");
}

void CLIPAttentionImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::CLIPAttention(hidden_size=" << options.hidden_size()
         << ", num_attention_heads=" << options.num_attention_heads() << ")";
}

torch::Tensor CLIPAttentionImpl::forward(const torch::Tensor& hidden_states,
                                         const std::optional<torch::Tensor>& attention_mask) {
  const Call call(*this, kCLIPAttention);
  check_input(kCLIPAttention, "hidden_states", hidden_states, {"B", "T", options.hidden_size()},
              q_proj->inputs_like());
  if (attention_mask) check_mask(*attention_mask, hidden_states);
  const auto heads = [this](const torch::Tensor& features) {
    return features.unflatten(-1, {options.num_attention_heads(), -1}).transpose(1, 2);
  };
  // One after the other, as the original: arguments have no order, and sums of gradients have one.
  const auto query = heads(q_proj(hidden_states));
  const auto key = heads(k_proj(hidden_states));
  const auto value = heads(v_proj(hidden_states));
  const auto output = at::scaled_dot_product_attention(
      query, key, value, attention_mask, is_training() ? options.attention_dropout() : 0.0,
      /*is_causal=*/!attention_mask);
  return out_proj(output.transpose(1, 2).flatten(2));
}

}  // namespace xattn
