#include "xattn/nn/cross_attention.h"

#include <cmath>
#include <string>

#include "check.h"
#include "xattn/ops/attention.h"

namespace xattn {
namespace {

constexpr auto kPlace = "CrossAttention";

void check_options(const CrossAttentionOptions& options) {
  const auto embed_dim = options.embed_dim(), num_heads = options.num_heads();
  if (embed_dim < 1) throw_value_error(kPlace, "embed_dim", "1 or more", std::to_string(embed_dim));
  if (num_heads < 1) throw_value_error(kPlace, "num_heads", "1 or more", std::to_string(num_heads));
  if (embed_dim % num_heads != 0) {
    throw_value_error(kPlace, "embed_dim", "a multiple of num_heads = " + std::to_string(num_heads),
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
    return register_module(name, torch::nn::Linear(options.embed_dim(), options.embed_dim()));
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
  return forward_prepared(image_features, prepare(text_features));
}

PreparedText CrossAttentionImpl::prepare(const torch::Tensor& text_features,
                                         const std::optional<torch::Tensor>& text_mask) {
  check_input(kPlace, "text_features", text_features, {"B", "T", options.embed_dim()},
              key_proj->weight);
  PreparedText text{
      split_heads(key_proj(text_features)), split_heads(value_proj(text_features)), {}};
  if (text_mask) {
    const auto batch = text_features.size(0), tokens = text_features.size(1);
    if (text_mask->defined() && text_mask->scalar_type() == torch::kBool) {
      check_shape(kPlace, "text_mask", *text_mask, {batch, tokens});
      check_device(kPlace, "text_mask", *text_mask, key_proj->weight);
    } else {
      check_input(kPlace, "text_mask", *text_mask, {batch, tokens}, key_proj->weight);
    }
    text.mask = text_mask->view({batch, 1, 1, tokens});
  }
  return text;
}

torch::Tensor CrossAttentionImpl::forward_prepared(const torch::Tensor& image_features,
                                                   const PreparedText& text) {
  const auto weights = attention_weights(image_features, text);
  const auto heads = torch::matmul(weights, text.value);
  return out_proj(heads.transpose(1, 2).reshape(image_features.sizes()));
}

torch::Tensor CrossAttentionImpl::attention_weights(const torch::Tensor& image_features,
                                                    const PreparedText& text) {
  const auto head_dim = options.embed_dim() / options.num_heads();
  check_input(kPlace, "text (prepared)", text.key, {"B", options.num_heads(), "T", head_dim},
              query_proj->weight);
  check_input(kPlace, "image_features", image_features,
              {text.key.size(0), "N", options.embed_dim()}, query_proj->weight);
  return xattn::attention_weights(split_heads(query_proj(image_features)), text.key,
                                  std::sqrt(static_cast<double>(options.embed_dim())), text.mask);
}

torch::Tensor CrossAttentionImpl::split_heads(const torch::Tensor& features) const {
  const auto heads = options.num_heads();
  return features.reshape({features.size(0), features.size(1), heads, options.embed_dim() / heads})
      .transpose(1, 2);
}

}  // namespace xattn
