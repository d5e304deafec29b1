#include "xattn/models/clip/clip_encoder_layer.h"

#include "core/call.h"
#include "core/check.h"

namespace xattn {

CLIPEncoderLayerImpl::CLIPEncoderLayerImpl(const CLIPEncoderLayerOptions& options_)
    : options(options_) {
  reset();
}

void CLIPEncoderLayerImpl::reset() {
  const auto hidden_size = options.hidden_size();
  const auto norm = [&] {
    return torch::nn::LayerNorm(
        torch::nn::LayerNormOptions({hidden_size}).eps(options.layer_norm_eps()));
  };
  self_attn = register_module(
      "self_attn", CLIPAttention(CLIPAttentionOptions(hidden_size, options.num_attention_heads())
                                     .attention_dropout(options.attention_dropout())));
  layer_norm1 = register_module("layer_norm1", norm());
  mlp = register_module("mlp", CLIPMLP(CLIPMLPOptions(hidden_size, options.intermediate_size())
                                           .hidden_act(options.hidden_act())));
  layer_norm2 = register_module("layer_norm2", norm());
}

void CLIPEncoderLayerImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::CLIPEncoderLayer(hidden_size=" << options.hidden_size()
         << ", intermediate_size=" << options.intermediate_size()
         << ", num_attention_heads=" << options.num_attention_heads() << ")";
}

torch::Tensor CLIPEncoderLayerImpl::forward(const torch::Tensor& hidden_states,
                                            const std::optional<torch::Tensor>& attention_mask) {
  const Call call(*this, "CLIPEncoderLayer");
  check_input("CLIPEncoderLayer", "hidden_states", hidden_states, {"B", "T", options.hidden_size()},
              layer_norm1->weight);
  const auto attended = hidden_states + self_attn(layer_norm1(hidden_states), attention_mask);
  return attended + mlp(layer_norm2(attended));
}

}  // namespace xattn
