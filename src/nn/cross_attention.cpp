#include "xattn/nn/cross_attention.h"

#include <cmath>
#include <string>

#include "core/call.h"
#include "core/check.h"
#include "nn/projections.h"
#include "ops/check_prepared.h"
#include "xattn/ops/attention.h"

namespace xattn {
namespace {

constexpr auto kCrossAttention = "CrossAttention";

void check_options(const CrossAttentionOptions& options) {
  const auto embed_dim = options.embed_dim(), num_heads = options.num_heads();
  check_at_least(kCrossAttention, "embed_dim", embed_dim, 1);
  check_at_least(kCrossAttention, "num_heads", num_heads, 1);
  if (embed_dim % num_heads != 0) {
    throw_value_error(kCrossAttention, "embed_dim",
                      "a multiple of num_heads = " + std::to_string(num_heads),
                      std::to_string(embed_dim));
  }
}

}  // namespace

CrossAttentionImpl::CrossAttentionImpl(const CrossAttentionOptions& options_) : options(options_) {
  reset();
}

void CrossAttentionImpl::reset() {
  check_options(options);
  const auto linear = [this](const char* name) {
    return register_module(name, Linear(options.embed_dim(), options.embed_dim()));
  };
  query_proj = linear("query_proj");
  key_proj = linear("key_proj");
  value_proj = linear("value_proj");
  out_proj = linear("out_proj");
}

void CrossAttentionImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::CrossAttention(embed_dim=" << options.embed_dim()
         << ", num_heads=" << options.num_heads() << ")";
}

torch::Tensor CrossAttentionImpl::forward(const torch::Tensor& image_features,
                                          const torch::Tensor& text_features) {
  const Call call(*this, kCrossAttention);
  const auto tokens =
      image_features.defined() && image_features.dim() == 3 ? image_features.size(1) : 0;
  const auto text = prepare_for(text_features, std::nullopt, tokens);
  check_image(image_features, text);
  return cross_attention(image_features, text);
}

PreparedText CrossAttentionImpl::prepare(const torch::Tensor& text_features,
                                         const std::optional<torch::Tensor>& text_mask) {
  const Call call(*this, kCrossAttention);
  return prepare_for(text_features, text_mask, std::nullopt);
}

PreparedText CrossAttentionImpl::prepare_for(const torch::Tensor& text_features,
                                             const std::optional<torch::Tensor>& text_mask,
                                             std::optional<int64_t> image_tokens) {
  check_input(kCrossAttention, "text_features", text_features, {"B", "T", options.embed_dim()},
              key_proj->inputs_like());
  std::optional<torch::Tensor> mask;
  if (text_mask) mask = check_text_mask(kCrossAttention, *text_mask, text_features);
  return prepare_text(weights(), text_features, mask, options.path(), image_tokens);
}

torch::Tensor CrossAttentionImpl::forward_prepared(const torch::Tensor& image_features,
                                                   const PreparedText& text) {
  const Call call(*this, kCrossAttention);
  check_prepared(kCrossAttention, text, weights());
  check_image(image_features, text);
  return cross_attention(image_features, text);
}

torch::Tensor CrossAttentionImpl::attention_weights(const torch::Tensor& image_features,
                                                    const PreparedText& text) {
  const Call call(*this, kCrossAttention);
  check_prepared(kCrossAttention, text, weights());
  check_image(image_features, text);
  const auto query =
      query_proj(image_features).unflatten(-1, {options.num_heads(), -1}).transpose(1, 2);
  return xattn::attention_weights(query, text.key.to(query.scalar_type()), weights().divisor,
                                  text.mask);
}

CrossAttentionWeights CrossAttentionImpl::weights() const {
  return Projections{*query_proj, *key_proj, *value_proj, *out_proj}.weights(
      options.num_heads(), std::sqrt(static_cast<double>(options.embed_dim())));
}

void CrossAttentionImpl::check_image(const torch::Tensor& image_features,
                                     const PreparedText& text) const {
  const auto batch = text.batch_size();
  check_input(kCrossAttention, "image_features", image_features,
              {batch == 1 ? ExpectedDim("B") : ExpectedDim(batch), "N", options.embed_dim()},
              query_proj->inputs_like());
}

}  // namespace xattn
