#include "xattn/models/unet_2d_condition/basic_transformer_block.h"

#include "core/call.h"
#include "core/check.h"
#include "models/unet_2d_condition/unet_2d_block_parts.h"

namespace xattn {
namespace {

constexpr auto kBasicTransformerBlock = "BasicTransformerBlock";

}  // namespace

BasicTransformerBlockImpl::BasicTransformerBlockImpl(const BasicTransformerBlockOptions& options_)
    : options(options_) {
  reset();
}

void BasicTransformerBlockImpl::reset() {
  const auto norm = [this](const char* name) {
    return register_module(
        name, torch::nn::LayerNorm(torch::nn::LayerNormOptions({options.dim()})
                                       .elementwise_affine(options.norm_elementwise_affine())
                                       .eps(options.norm_eps())));
  };
  const auto attention = [this](const char* name, std::optional<int64_t> cross_attention_dim) {
    return register_module(name, Attention(AttentionOptions(options.dim())
                                               .cross_attention_dim(cross_attention_dim)
                                               .heads(options.num_attention_heads())
                                               .dim_head(options.attention_head_dim())
                                               .dropout(options.dropout())
                                               .bias(options.attention_bias())
                                               .out_bias(options.attention_out_bias())));
  };
  const auto text_dim = options.cross_attention_dim();
  norm1 = norm("norm1");
  attn1 = attention("attn1", options.only_cross_attention() ? text_dim : std::nullopt);
  if (text_dim || options.double_self_attention()) {
    norm2 = norm("norm2");
    attn2 = attention("attn2", options.double_self_attention() ? std::nullopt : text_dim);
  }
  norm3 = norm("norm3");
  ff = register_module("ff", FeedForward(FeedForwardOptions(options.dim())
                                             .dropout(options.dropout())
                                             .activation_fn(options.activation_fn())
                                             .final_dropout(options.final_dropout())
                                             .inner_dim(options.ff_inner_dim())
                                             .bias(options.ff_bias())));
}

void BasicTransformerBlockImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::BasicTransformerBlock(dim=" << options.dim()
         << ", num_attention_heads=" << options.num_attention_heads()
         << ", attention_head_dim=" << options.attention_head_dim() << ")";
}

torch::Tensor BasicTransformerBlockImpl::forward(const torch::Tensor& hidden_states,
                                                 const TextContext& text) {
  const Call call(*this, kBasicTransformerBlock);
  const auto& weight = attn1->to_q->inputs_like();
  check_input(kBasicTransformerBlock, "hidden_states", hidden_states, {"B", "N", options.dim()},
              weight);
  unet_2d_block::check_text(kBasicTransformerBlock, text, weight);
  const auto normed = norm1(hidden_states);
  auto states = hidden_states + (options.only_cross_attention()
                                     ? text.attend(*attn1, normed, text.attention_mask())
                                     : attn1->forward(normed, std::nullopt, text.attention_mask()));
  if (attn2) states = states + text.attend(*attn2, norm2(states), text.encoder_attention_mask());
  return states + ff(norm3(states));
}

std::vector<BasicTransformerBlockImpl::CrossAttentionLayer>
BasicTransformerBlockImpl::cross_attentions(const TextContext& text) const {
  std::vector<CrossAttentionLayer> layers;
  if (options.only_cross_attention()) layers.push_back({"attn1", attn1, text.attention_mask()});
  if (attn2) layers.push_back({"attn2", attn2, text.encoder_attention_mask()});
  return layers;
}

}  // namespace xattn
