#include "xattn/models/clip/clip_text_transformer.h"

#include <torch/utils.h>

#include <string>

#include "core/call.h"
#include "core/check.h"

namespace xattn {
namespace {

constexpr auto kCLIPTextTransformer = "CLIPTextModel";
constexpr int64_t kLegacyEosTokenId = 2;

CLIPEncoderOptions encoder_options(const CLIPTextConfig& config) {
  if (config.hidden_act != "quick_gelu" && config.hidden_act != "gelu") {
    throw_value_error(kCLIPTextTransformer, "hidden_act", "\"quick_gelu\" or \"gelu\"",
                      '"' + config.hidden_act + '"');
  }
  const auto layer = CLIPEncoderLayerOptions(config.hidden_size, config.intermediate_size,
                                             config.num_attention_heads)
                         .hidden_act(config.hidden_act == "gelu" ? CLIPActivation::kGelu
                                                                 : CLIPActivation::kQuickGelu)
                         .layer_norm_eps(config.layer_norm_eps)
                         .attention_dropout(config.attention_dropout);
  return {config.num_hidden_layers, layer};
}

/// `[B, 1, T, T]`, true where a token is neither later nor masked out.
torch::Tensor causal_mask(const torch::Tensor& attention_mask, const torch::Tensor& input_ids) {
  check_shape(kCLIPTextTransformer, "attention_mask", attention_mask,
              {input_ids.size(0), input_ids.size(1)});
  check_device(kCLIPTextTransformer, "attention_mask", attention_mask, input_ids);
  const auto tokens = input_ids.size(1);
  const auto before =
      torch::ones({tokens, tokens}, attention_mask.options().dtype(torch::kBool)).tril();
  return before.logical_and(attention_mask.ne(0).view({-1, 1, 1, tokens}));
}

}  // namespace

CLIPTextTransformerImpl::CLIPTextTransformerImpl(const CLIPTextConfig& config_) : config(config_) {
  reset();
}

void CLIPTextTransformerImpl::reset() {
  embeddings = register_module(
      "embeddings",
      CLIPTextEmbeddings(CLIPTextEmbeddingsOptions(config.vocab_size, config.hidden_size)
                             .max_position_embeddings(config.max_position_embeddings)));
  encoder = register_module("encoder", CLIPEncoder(encoder_options(config)));
  final_layer_norm = register_module(
      "final_layer_norm",
      torch::nn::LayerNorm(
          torch::nn::LayerNormOptions({config.hidden_size}).eps(config.layer_norm_eps)));
}

void CLIPTextTransformerImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::CLIPTextTransformer(hidden_size=" << config.hidden_size
         << ", num_hidden_layers=" << config.num_hidden_layers << ")";
}

CLIPTextOutput CLIPTextTransformerImpl::forward(const torch::Tensor& input_ids,
                                                const std::optional<torch::Tensor>& attention_mask,
                                                const CLIPTextForwardOptions& forward_options) {
  const Call call(*this, "CLIPTextTransformer");
  CLIPTextOutput output;
  const auto embedded = embeddings(input_ids, forward_options.position_ids);
  std::optional<torch::Tensor> mask;
  if (attention_mask) mask = causal_mask(*attention_mask, input_ids);
  const auto last = encoder(embedded, mask,
                            forward_options.output_hidden_states ? &output.hidden_states : nullptr);
  output.last_hidden_state = final_layer_norm(last);
  const auto end = config.eos_token_id == kLegacyEosTokenId
                       ? input_ids.argmax(-1)
                       : input_ids.eq(config.eos_token_id).to(torch::kInt).argmax(-1);
  const auto rows = torch::arange(input_ids.size(0), end.options());
  output.pooler_output = output.last_hidden_state.index({rows, end});
  return output;
}

}  // namespace xattn
