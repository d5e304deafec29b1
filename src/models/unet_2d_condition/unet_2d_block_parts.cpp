#include "models/unet_2d_condition/unet_2d_block_parts.h"

#include <ATen/ops/cat.h>

#include "core/check.h"
#include "xattn/models/unet_2d_condition/transformer_2d_model.h"
#include "xattn/nn/downsample_2d.h"
#include "xattn/nn/resnet_block_2d.h"
#include "xattn/nn/upsample_2d.h"

namespace xattn::unet_2d_block {
namespace {

ResnetBlock2D resnet(const UNet2DBlockOptions& options, int64_t in_channels) {
  return ResnetBlock2D(ResnetBlock2DOptions(in_channels)
                           .out_channels(options.out_channels())
                           .dropout(options.dropout())
                           .temb_channels(options.temb_channels())
                           .groups(options.resnet_groups())
                           .eps(options.resnet_eps())
                           .non_linearity(options.resnet_act_fn())
                           .time_embedding_norm(options.resnet_time_scale_shift())
                           .output_scale_factor(options.output_scale_factor()));
}

}  // namespace

void check_options(const char* place, const UNet2DBlockOptions& options, bool has_attention) {
  check_at_least(place, "in_channels", options.in_channels(), 1);
  check_at_least(place, "out_channels", options.out_channels(), 1);
  check_at_least(place, "temb_channels", options.temb_channels(), 1);
  check_at_least(place, "num_layers", options.num_layers(), 1);
  if (!has_attention) return;
  check_at_least(place, "num_attention_heads", options.num_attention_heads(), 1);
  check_at_least(place, "cross_attention_dim", options.cross_attention_dim(), 1);
  const auto& layers = options.transformer_layers_per_block();
  if (layers.size() != 1 && static_cast<int64_t>(layers.size()) < options.num_layers()) {
    throw_value_error(place, "transformer_layers_per_block",
                      "one number, or " + std::to_string(options.num_layers()),
                      std::to_string(layers.size()));
  }
}

torch::nn::ModuleList down_resnets(const UNet2DBlockOptions& options) {
  torch::nn::ModuleList list;
  for (int64_t i = 0; i < options.num_layers(); ++i) {
    list->push_back(resnet(options, i == 0 ? options.in_channels() : options.out_channels()));
  }
  return list;
}

torch::nn::ModuleList up_resnets(const UNet2DBlockOptions& options) {
  torch::nn::ModuleList list;
  for (int64_t i = 0; i < options.num_layers(); ++i) {
    const bool is_last = i == options.num_layers() - 1;
    const auto residual = is_last ? options.in_channels() : options.out_channels();
    list->push_back(resnet(
        options, residual + (i == 0 ? options.prev_output_channel() : options.out_channels())));
  }
  return list;
}

torch::nn::ModuleList attentions(const char* place, const UNet2DBlockOptions& options) {
  const auto channels = options.out_channels(), heads = options.num_attention_heads();
  if (channels < heads) {
    throw_value_error(place, "num_attention_heads",
                      "at most out_channels = " + std::to_string(channels), std::to_string(heads));
  }
  const auto& layers = options.transformer_layers_per_block();
  torch::nn::ModuleList list;
  for (int64_t i = 0; i < options.num_layers(); ++i) {
    list->push_back(Transformer2DModel(Transformer2DModelOptions(heads, channels / heads, channels)
                                           .num_layers(layers.size() == 1 ? layers[0] : layers[i])
                                           .cross_attention_dim(options.cross_attention_dim())
                                           .norm_num_groups(options.resnet_groups())
                                           .use_linear_projection(options.use_linear_projection())
                                           .only_cross_attention(options.only_cross_attention())));
  }
  return list;
}

torch::nn::ModuleList downsamplers(const UNet2DBlockOptions& options) {
  return torch::nn::ModuleList(Downsample2D(Downsample2DOptions(options.out_channels())
                                                .use_conv(true)
                                                .padding(options.downsample_padding())
                                                .name("op")));
}

torch::nn::ModuleList upsamplers(const UNet2DBlockOptions& options) {
  return torch::nn::ModuleList(
      Upsample2D(Upsample2DOptions(options.out_channels()).use_conv(true)));
}

void prepare(const torch::nn::ModuleList& attentions, const TextContext& text, AttentionPath path,
             std::vector<PreparedText>& prepared) {
  for (const auto& attention : *attentions)
    attention->as<Transformer2DModel>()->prepare(text, path, prepared);
}

std::string describe(const UNet2DBlockOptions& options) {
  return "in_channels=" + std::to_string(options.in_channels()) +
         ", out_channels=" + std::to_string(options.out_channels()) +
         ", num_layers=" + std::to_string(options.num_layers());
}

torch::Tensor with_residual(const char* place, const torch::Tensor& hidden_states,
                            std::vector<torch::Tensor>& residuals) {
  if (residuals.empty())
    throw_value_error(place, "res_hidden_states_tuple", "one for each layer", "too few");
  const auto residual = std::move(residuals.back());
  residuals.pop_back();
  check_shape(place, "hidden_states", hidden_states, {"B", "C", "H", "W"});
  check_shape(place, "res_hidden_states_tuple", residual,
              {hidden_states.size(0), "C", hidden_states.size(2), hidden_states.size(3)});
  return at::cat({hidden_states, residual}, 1);
}

}  // namespace xattn::unet_2d_block
