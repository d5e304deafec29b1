#include "xattn/nn/attention.h"

#include <torch/nn/modules/dropout.h>

#include <cmath>
#include <string>

#include "core/call.h"
#include "core/check.h"
#include "nn/projections.h"
#include "ops/check_prepared.h"
#include "ops/recorded_attention.h"
#include "ops/self_attention.h"
#include "xattn/ops/attention.h"

namespace xattn {
namespace {

constexpr auto kAttention = "Attention";

}  // namespace

AttentionImpl::AttentionImpl(const AttentionOptions& options_) : options(options_) {
  reset();
}

void AttentionImpl::reset() {
  const auto query_dim = options.query_dim(),
             text_dim = options.cross_attention_dim().value_or(query_dim);
  check_at_least(kAttention, "query_dim", query_dim, 1);
  check_at_least(kAttention, "cross_attention_dim", text_dim, 1);
  check_at_least(kAttention, "heads", options.heads(), 1);
  check_at_least(kAttention, "dim_head", options.dim_head(), 1);
  if (options.norm_num_groups()) {
    const auto groups = *options.norm_num_groups();
    if (groups < 1 || query_dim % groups != 0) {
      throw_value_error(kAttention, "norm_num_groups",
                        "a divisor of query_dim = " + std::to_string(query_dim),
                        std::to_string(groups));
    }
    group_norm = register_module(
        "group_norm", GroupNorm(torch::nn::GroupNormOptions(groups, query_dim).eps(options.eps())));
  }
  const auto inner = options.heads() * options.dim_head();
  const auto linear = [](int64_t in, int64_t out, bool bias) {
    return Linear(torch::nn::LinearOptions(in, out).bias(bias));
  };
  to_q = register_module("to_q", linear(query_dim, inner, options.bias()));
  to_k = register_module("to_k", linear(text_dim, inner, options.bias()));
  to_v = register_module("to_v", linear(text_dim, inner, options.bias()));
  to_out =
      register_module("to_out", torch::nn::ModuleList(linear(inner, query_dim, options.out_bias()),
                                                      torch::nn::Dropout(options.dropout())));
}

void AttentionImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::Attention(query_dim=" << options.query_dim();
  if (options.cross_attention_dim())
    stream << ", cross_attention_dim=" << *options.cross_attention_dim();
  stream << ", heads=" << options.heads() << ", dim_head=" << options.dim_head() << ")";
}

torch::Tensor AttentionImpl::forward(const torch::Tensor& hidden_states,
                                     const std::optional<torch::Tensor>& encoder_hidden_states,
                                     const std::optional<torch::Tensor>& attention_mask) {
  const Call call(*this, kAttention);
  check_states(hidden_states);
  const auto tokens = tokens_of(hidden_states);
  const bool is_self = !encoder_hidden_states || !encoder_hidden_states->defined();
  const auto& states = is_self ? tokens : *encoder_hidden_states;
  if (is_self && to_k->options.in_features() != options.query_dim()) {
    throw_value_error(kAttention, "encoder_hidden_states",
                      "[B, T, " + std::to_string(to_k->options.in_features()) + "]", "none");
  }
  if (!is_self) {
    check_input(kAttention, "encoder_hidden_states", states,
                {tokens.size(0), "T", to_k->options.in_features()}, to_k->inputs_like());
  }
  const auto layer = weights();
  const bool is_recorded =
      layer_wants_gradient(layer, tokens) || layer_wants_gradient(layer, states);
  if (is_recorded && options.path() != AttentionPath::kExplicit) {
    return finish(recorded_attention(layer, tokens, states, mask_of(attention_mask, states)),
                  hidden_states);
  }
  const bool is_masked = attention_mask && attention_mask->defined();
  if (is_self && !is_masked && options.path() == AttentionPath::kAuto &&
      self_attention_is_faster(layer, tokens)) {
    return finish(self_attention(layer, tokens), hidden_states);
  }
  return finish(
      cross_attention(tokens, prepare_for(states, attention_mask, options.path(), tokens.size(1))),
      hidden_states);
}

PreparedText AttentionImpl::prepare(const torch::Tensor& encoder_hidden_states,
                                    const std::optional<torch::Tensor>& attention_mask,
                                    std::optional<AttentionPath> path) {
  const Call call(*this, kAttention);
  check_input(kAttention, "encoder_hidden_states", encoder_hidden_states,
              {"B", "T", to_k->options.in_features()}, to_k->inputs_like());
  return prepare_for(encoder_hidden_states, attention_mask, path.value_or(options.path()),
                     std::nullopt);
}

PreparedText AttentionImpl::prepare_for(const torch::Tensor& states,
                                        const std::optional<torch::Tensor>& attention_mask,
                                        AttentionPath path, std::optional<int64_t> image_tokens) {
  return prepare_text(weights(), states, mask_of(attention_mask, states), path, image_tokens);
}

std::optional<torch::Tensor> AttentionImpl::mask_of(
    const std::optional<torch::Tensor>& attention_mask, const torch::Tensor& states) const {
  if (!attention_mask || !attention_mask->defined()) return std::nullopt;
  check_input(kAttention, "attention_mask", *attention_mask, {states.size(0), 1, states.size(1)},
              to_q->inputs_like());
  return attention_mask->unsqueeze(1);
}

torch::Tensor AttentionImpl::forward_prepared(const torch::Tensor& hidden_states,
                                              const PreparedText& text) {
  const Call call(*this, kAttention);
  check_image(hidden_states, text);
  return finish(cross_attention(tokens_of(hidden_states), text), hidden_states);
}

torch::Tensor AttentionImpl::attention_weights(const torch::Tensor& hidden_states,
                                               const PreparedText& text) {
  const Call call(*this, kAttention);
  check_image(hidden_states, text);
  const auto query =
      to_q(tokens_of(hidden_states)).unflatten(-1, {options.heads(), -1}).transpose(1, 2);
  return xattn::attention_weights(query, text.key.to(query.scalar_type()), weights().divisor,
                                  text.mask);
}

CrossAttentionWeights AttentionImpl::weights() const {
  // Typed members beside the list would be left behind by clone(), which replaces its modules.
  return Projections{*to_q, *to_k, *to_v, to_out->at<LinearImpl>(0)}.weights(
      options.heads(), std::sqrt(static_cast<double>(options.dim_head())));
}

void AttentionImpl::check_image(const torch::Tensor& hidden_states,
                                const PreparedText& text) const {
  check_states(hidden_states);
  check_prepared(kAttention, text, weights());
  const auto batch = text.batch_size();
  if (batch == 1 || batch == hidden_states.size(0)) return;
  throw_value_error(kAttention, "text (prepared)",
                    "one text, or " + std::to_string(hidden_states.size(0)) + " as hidden_states",
                    std::to_string(batch));
}

void AttentionImpl::check_states(const torch::Tensor& hidden_states) const {
  if (hidden_states.defined() && hidden_states.dim() == 4) {
    check_input(kAttention, "hidden_states", hidden_states, {"B", options.query_dim(), "H", "W"},
                to_q->inputs_like());
  } else {
    check_input(kAttention, "hidden_states", hidden_states, {"B", "N", options.query_dim()},
                to_q->inputs_like());
  }
}

torch::Tensor AttentionImpl::tokens_of(const torch::Tensor& hidden_states) {
  const bool is_image = hidden_states.dim() == 4;
  if (!group_norm) return is_image ? hidden_states.flatten(2).transpose(1, 2) : hidden_states;
  return group_norm(is_image ? hidden_states.flatten(2) : hidden_states.transpose(1, 2))
      .transpose(1, 2);
}

torch::Tensor AttentionImpl::finish(const torch::Tensor& attended,
                                    const torch::Tensor& hidden_states) {
  auto output = to_out->at<torch::nn::DropoutImpl>(1).forward(attended);
  if (hidden_states.dim() == 4) output = output.transpose(1, 2).reshape(hidden_states.sizes());
  if (options.residual_connection()) output = output + hidden_states;
  if (options.rescale_output_factor() != 1) output = output / options.rescale_output_factor();
  return output;
}

}  // namespace xattn
