#include "models/unet_2d_condition/unet_2d_block_parts.h"

#include "core/check.h"
#include "xattn/models/unet_2d_condition/transformer_2d_model.h"

namespace xattn::unet_2d_block {

void check_text(const std::string& place, const TextContext& text, const torch::Tensor& weight) {
  const auto& states = text.encoder_hidden_states();
  if (states.defined())
    check_input(place, "encoder_hidden_states", states, {"B", "T", "S"}, weight);
}

void check_inputs(const std::string& place, const torch::Tensor& hidden_states, int64_t channels,
                  const torch::Tensor& temb, const TextContext& text,
                  const ResnetBlock2DImpl& first) {
  const auto& weight = first.conv1->inputs_like();
  check_input(place, "hidden_states", hidden_states, {"B", channels, "H", "W"}, weight);
  check_input(place, "temb", temb, {hidden_states.size(0), *first.options.temb_channels()}, weight);
  check_text(place, text, weight);
}

Layers::Layers(const std::string& place_, const UNetResnetOptions& options_, int64_t out_channels_)
    : place(place_), options(options_), out_channels(out_channels_) {
  check_at_least(place, "temb_channels", options.temb_channels(), 1);
  check_at_least(place, "num_layers", options.num_layers(), 1);
}

ResnetBlock2D Layers::resnet(int64_t in_channels) const {
  return ResnetBlock2D(ResnetBlock2DOptions(in_channels)
                           .out_channels(out_channels)
                           .dropout(options.dropout())
                           .temb_channels(options.temb_channels())
                           .groups(options.resnet_groups())
                           .eps(options.resnet_eps())
                           .non_linearity(options.resnet_act_fn())
                           .time_embedding_norm(options.resnet_time_scale_shift())
                           .output_scale_factor(options.output_scale_factor()));
}

torch::nn::ModuleList Layers::resnets(const std::vector<int64_t>& in_channels) const {
  torch::nn::ModuleList list;
  for (size_t i = 0; i < static_cast<size_t>(options.num_layers()); ++i)
    list->push_back(resnet(i < in_channels.size() ? in_channels[i] : out_channels));
  return list;
}

torch::nn::ModuleList Layers::attentions(const UNetTransformerOptions& transformers) const {
  const auto heads = transformers.num_attention_heads();
  const auto& blocks = transformers.transformer_layers_per_block();
  check_at_least(place, "num_attention_heads", heads, 1);
  check_at_least(place, "cross_attention_dim", transformers.cross_attention_dim(), 1);
  if (blocks.size() != 1 && static_cast<int64_t>(blocks.size()) < options.num_layers()) {
    throw_value_error(
        place, "transformer_layers_per_block",
        "one number, or one for each of " + std::to_string(options.num_layers()) + " layers",
        std::to_string(blocks.size()));
  }
  if (out_channels < heads) {
    throw_value_error(place, "num_attention_heads",
                      "at most out_channels = " + std::to_string(out_channels),
                      std::to_string(heads));
  }
  torch::nn::ModuleList list;
  for (size_t i = 0; i < static_cast<size_t>(options.num_layers()); ++i) {
    list->push_back(
        Transformer2DModel(Transformer2DModelOptions(heads, out_channels / heads, out_channels)
                               .num_layers(blocks.size() == 1 ? blocks[0] : blocks[i])
                               .cross_attention_dim(transformers.cross_attention_dim())
                               .norm_num_groups(options.resnet_groups())
                               .use_linear_projection(transformers.use_linear_projection())
                               .only_cross_attention(transformers.only_cross_attention())));
  }
  return list;
}

}  // namespace xattn::unet_2d_block
