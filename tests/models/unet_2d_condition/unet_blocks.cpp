#include "models/unet_2d_condition/unet_blocks.h"

#include <optional>
#include <stdexcept>

#include "xattn/models/unet_2d_condition/basic_transformer_block.h"
#include "xattn/models/unet_2d_condition/timestep_embedding.h"
#include "xattn/models/unet_2d_condition/timesteps.h"
#include "xattn/models/unet_2d_condition/transformer_2d_model.h"
#include "xattn/models/unet_2d_condition/unet_down_block_2d.h"
#include "xattn/models/unet_2d_condition/unet_mid_block_2d_cross_attn.h"
#include "xattn/models/unet_2d_condition/unet_up_block_2d.h"
#include "xattn/nn/activations.h"
#include "xattn/nn/attention.h"
#include "xattn/nn/downsample_2d.h"
#include "xattn/nn/feed_forward.h"
#include "xattn/nn/resnet_block_2d.h"
#include "xattn/nn/upsample_2d.h"

namespace xattn::testing {
namespace {

using Json = nlohmann::json;

/// `options.NAME(arguments["NAME"])` where the arguments have it.
#define XATTN_SET(options, arguments, name)                                                       \
  if ((arguments).contains(#name) && !(arguments).at(#name).is_null()) {                          \
    (options).name((arguments).at(#name).get<std::decay_t<decltype(plain((options).name()))>>()); \
  }

template <typename T>
T plain(const T& value) {
  return value;
}
template <typename T>
T plain(const std::optional<T>&) {
  return {};
}

int64_t number(const Json& arguments, const char* name) {
  return arguments.at(name).get<int64_t>();
}

std::optional<at::Tensor> optional(const Tensors& inputs, const char* name) {
  const auto found = inputs.find(name);
  return found == inputs.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::array<int64_t, 2>> size_of(const Tensors& inputs, const char* name) {
  const auto found = optional(inputs, name);
  if (!found) return std::nullopt;
  return std::array{(*found)[0].item<int64_t>(), (*found)[1].item<int64_t>()};
}

TextContext text_of(const Tensors& inputs) {
  return TextContext(optional(inputs, "encoder_hidden_states").value_or(at::Tensor()),
                     optional(inputs, "encoder_attention_mask"),
                     optional(inputs, "attention_mask"));
}

std::vector<at::Tensor> residuals_of(const Tensors& inputs) {
  std::vector<at::Tensor> residuals;
  while (inputs.count("residual_" + std::to_string(residuals.size()))) {
    residuals.push_back(inputs.at("residual_" + std::to_string(residuals.size())));
  }
  return residuals;
}

Tensors outputs_of(const DownBlockOutput& output) {
  Tensors outputs{{"output", output.hidden_states}};
  for (size_t i = 0; i < output.output_states.size(); ++i) {
    outputs["state_" + std::to_string(i)] = output.output_states[i];
  }
  return outputs;
}

/// A block of one input.
template <typename Module>
Block simple(Module module, const char* input) {
  return {module.ptr(), [module, input](const Tensors& inputs) mutable {
            return Tensors{{"output", module->forward(inputs.at(input))}};
          }};
}

Block timesteps(const Json& a) {
  TimestepsOptions options(number(a, "num_channels"));
  XATTN_SET(options, a, flip_sin_to_cos)
  XATTN_SET(options, a, downscale_freq_shift)
  XATTN_SET(options, a, scale)
  return simple(Timesteps(options), "timesteps");
}

Block timestep_embedding(const Json& a) {
  TimestepEmbeddingOptions options(number(a, "in_channels"), number(a, "time_embed_dim"));
  XATTN_SET(options, a, act_fn)
  XATTN_SET(options, a, out_dim)
  XATTN_SET(options, a, post_act_fn)
  XATTN_SET(options, a, cond_proj_dim)
  XATTN_SET(options, a, sample_proj_bias)
  TimestepEmbedding module(options);
  return {module.ptr(), [module](const Tensors& inputs) mutable {
            return Tensors{{"output", module(inputs.at("sample"), optional(inputs, "condition"))}};
          }};
}

Block gelu(const Json& a) {
  GELUOptions options(number(a, "dim_in"), number(a, "dim_out"));
  XATTN_SET(options, a, approximate)
  XATTN_SET(options, a, bias)
  return simple(GELU(options), "hidden_states");
}

Block geglu(const Json& a) {
  return simple(GEGLU(GEGLUOptions(number(a, "dim_in"), number(a, "dim_out"))), "hidden_states");
}

Block feed_forward(const Json& a) {
  FeedForwardOptions options(number(a, "dim"));
  XATTN_SET(options, a, dim_out)
  XATTN_SET(options, a, mult)
  XATTN_SET(options, a, activation_fn)
  XATTN_SET(options, a, final_dropout)
  XATTN_SET(options, a, inner_dim)
  XATTN_SET(options, a, bias)
  return simple(FeedForward(options), "hidden_states");
}

Block downsample(const Json& a) {
  Downsample2DOptions options(number(a, "channels"));
  XATTN_SET(options, a, use_conv)
  XATTN_SET(options, a, out_channels)
  XATTN_SET(options, a, padding)
  XATTN_SET(options, a, name)
  return simple(Downsample2D(options), "hidden_states");
}

Block upsample(const Json& a) {
  Upsample2DOptions options(number(a, "channels"));
  XATTN_SET(options, a, use_conv)
  XATTN_SET(options, a, out_channels)
  XATTN_SET(options, a, name)
  Upsample2D module(options);
  return {module.ptr(), [module](const Tensors& inputs) mutable {
            return Tensors{
                {"output", module(inputs.at("hidden_states"), size_of(inputs, "output_size"))}};
          }};
}

Block resnet(const Json& a) {
  ResnetBlock2DOptions options(number(a, "in_channels"));
  XATTN_SET(options, a, out_channels)
  XATTN_SET(options, a, temb_channels)
  if (a.contains("temb_channels") && a.at("temb_channels").is_null())
    options.temb_channels(std::nullopt);
  XATTN_SET(options, a, groups)
  XATTN_SET(options, a, groups_out)
  XATTN_SET(options, a, eps)
  XATTN_SET(options, a, non_linearity)
  XATTN_SET(options, a, skip_time_act)
  XATTN_SET(options, a, time_embedding_norm)
  XATTN_SET(options, a, output_scale_factor)
  XATTN_SET(options, a, use_in_shortcut)
  XATTN_SET(options, a, conv_shortcut_bias)
  XATTN_SET(options, a, conv_2d_out_channels)
  ResnetBlock2D module(options);
  return {module.ptr(), [module](const Tensors& inputs) mutable {
            return Tensors{{"output", module(inputs.at("input_tensor"), optional(inputs, "temb"))}};
          }};
}

Block attention(const Json& a) {
  AttentionOptions options(number(a, "query_dim"));
  XATTN_SET(options, a, cross_attention_dim)
  XATTN_SET(options, a, heads)
  XATTN_SET(options, a, dim_head)
  XATTN_SET(options, a, bias)
  XATTN_SET(options, a, out_bias)
  XATTN_SET(options, a, norm_num_groups)
  XATTN_SET(options, a, eps)
  XATTN_SET(options, a, rescale_output_factor)
  XATTN_SET(options, a, residual_connection)
  Attention module(options);
  return {module.ptr(), [module](const Tensors& inputs) mutable {
            return Tensors{{"output", module(inputs.at("hidden_states"),
                                             optional(inputs, "encoder_hidden_states"),
                                             optional(inputs, "attention_mask"))}};
          }};
}

/// A block that reads a text.
template <typename Module>
Block transformer(Module module) {
  return {module.ptr(), [module](const Tensors& inputs) mutable {
            return Tensors{{"output", module(inputs.at("hidden_states"), text_of(inputs))}};
          }};
}

Block transformer_block(const Json& a) {
  BasicTransformerBlockOptions options(number(a, "dim"), number(a, "num_attention_heads"),
                                       number(a, "attention_head_dim"));
  XATTN_SET(options, a, cross_attention_dim)
  XATTN_SET(options, a, activation_fn)
  XATTN_SET(options, a, attention_bias)
  XATTN_SET(options, a, only_cross_attention)
  XATTN_SET(options, a, double_self_attention)
  XATTN_SET(options, a, norm_elementwise_affine)
  XATTN_SET(options, a, norm_eps)
  XATTN_SET(options, a, final_dropout)
  XATTN_SET(options, a, ff_inner_dim)
  XATTN_SET(options, a, ff_bias)
  XATTN_SET(options, a, attention_out_bias)
  return transformer(BasicTransformerBlock(options));
}

Block transformer_2d(const Json& a) {
  Transformer2DModelOptions options(number(a, "num_attention_heads"),
                                    number(a, "attention_head_dim"), number(a, "in_channels"));
  XATTN_SET(options, a, num_layers)
  XATTN_SET(options, a, norm_num_groups)
  XATTN_SET(options, a, cross_attention_dim)
  XATTN_SET(options, a, use_linear_projection)
  XATTN_SET(options, a, only_cross_attention)
  return transformer(Transformer2DModel(options));
}

UNetResnetOptions resnet_options(const Json& a) {
  UNetResnetOptions options(number(a, "temb_channels"));
  XATTN_SET(options, a, num_layers)
  XATTN_SET(options, a, resnet_time_scale_shift)
  XATTN_SET(options, a, resnet_act_fn)
  XATTN_SET(options, a, resnet_groups)
  XATTN_SET(options, a, output_scale_factor)
  return options;
}

UNetTransformerOptions transformer_options(const Json& a) {
  UNetTransformerOptions options;
  if (a.contains("transformer_layers_per_block")) {
    const auto& layers = a.at("transformer_layers_per_block");
    options.transformer_layers_per_block(layers.is_array() ? layers.get<std::vector<int64_t>>()
                                                           : std::vector{layers.get<int64_t>()});
  }
  XATTN_SET(options, a, num_attention_heads)
  XATTN_SET(options, a, cross_attention_dim)
  XATTN_SET(options, a, use_linear_projection)
  XATTN_SET(options, a, only_cross_attention)
  return options;
}

DownBlock2DOptions down_options(const Json& a) {
  DownBlock2DOptions options(number(a, "in_channels"),
                             a.value("out_channels", number(a, "in_channels")), resnet_options(a));
  XATTN_SET(options, a, downsample_padding)
  XATTN_SET(options, a, add_downsample)
  return options;
}

UpBlock2DOptions up_options(const Json& a) {
  const auto in_channels = number(a, "in_channels");
  UpBlock2DOptions options(in_channels, a.value("prev_output_channel", in_channels),
                           a.value("out_channels", in_channels), resnet_options(a));
  XATTN_SET(options, a, add_upsample)
  return options;
}

template <typename Module>
Block down(Module module) {
  return {module.ptr(), [module](const Tensors& inputs) mutable {
            return outputs_of(module(inputs.at("hidden_states"), inputs.at("temb"), text_of(inputs),
                                     optional(inputs, "additional_residuals")));
          }};
}

template <typename Module>
Block up(Module module) {
  return {
      module.ptr(), [module](const Tensors& inputs) mutable {
        return Tensors{{"output", module->forward(inputs.at("hidden_states"), residuals_of(inputs),
                                                  inputs.at("temb"), text_of(inputs),
                                                  size_of(inputs, "upsample_size"))}};
      }};
}

Block down_block(const Json& a) {
  return down(DownBlock2D(down_options(a)));
}

Block cross_attn_down_block(const Json& a) {
  return down(CrossAttnDownBlock2D(down_options(a), transformer_options(a)));
}

Block mid_block(const Json& a) {
  UNetMidBlock2DCrossAttnOptions options(number(a, "in_channels"), resnet_options(a),
                                         transformer_options(a));
  XATTN_SET(options, a, out_channels)
  UNetMidBlock2DCrossAttn module(options);
  return {module.ptr(), [module](const Tensors& inputs) mutable {
            return Tensors{
                {"output", module(inputs.at("hidden_states"), inputs.at("temb"), text_of(inputs))}};
          }};
}

Block up_block(const Json& a) {
  return up(UpBlock2D(up_options(a)));
}

Block cross_attn_up_block(const Json& a) {
  return up(CrossAttnUpBlock2D(up_options(a), transformer_options(a)));
}

}  // namespace

Block make_block(const std::string& name, const nlohmann::json& arguments) {
  static const std::map<std::string, Block (*)(const Json&)> makers = {
      {"Timesteps", timesteps},
      {"TimestepEmbedding", timestep_embedding},
      {"GELU", gelu},
      {"GEGLU", geglu},
      {"FeedForward", feed_forward},
      {"Downsample2D", downsample},
      {"Upsample2D", upsample},
      {"ResnetBlock2D", resnet},
      {"Attention", attention},
      {"BasicTransformerBlock", transformer_block},
      {"Transformer2DModel", transformer_2d},
      {"DownBlock2D", down_block},
      {"CrossAttnDownBlock2D", cross_attn_down_block},
      {"UNetMidBlock2DCrossAttn", mid_block},
      {"UpBlock2D", up_block},
      {"CrossAttnUpBlock2D", cross_attn_up_block},
  };
  return makers.at(name)(arguments);
}

}  // namespace xattn::testing
