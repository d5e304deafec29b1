#include "xattn/models/unet_2d_condition/unet_2d_condition_model.h"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "core/check.h"
#include "xattn/models/unet_2d_condition/cross_attn_down_block_2d.h"
#include "xattn/models/unet_2d_condition/cross_attn_up_block_2d.h"
#include "xattn/models/unet_2d_condition/down_block_2d.h"
#include "xattn/models/unet_2d_condition/up_block_2d.h"
#include "xattn/nn/initialization.h"

// Construction; forward is in unet_2d_condition_forward.cpp.

namespace xattn {
namespace {

template <typename T>
T value_for(const std::vector<T>& values, size_t block) {
  return values.size() == 1 ? values[0] : values[block];
}

UNet2DBlockOptions block_options(const UNet2DConditionConfig& config, size_t level,
                                 int64_t in_channels, int64_t temb_channels) {
  return UNet2DBlockOptions(in_channels, config.block_out_channels[level], temb_channels)
      .dropout(config.dropout)
      .num_layers(value_for(config.layers_per_block, level))
      .transformer_layers_per_block({value_for(config.transformer_layers_per_block, level)})
      .resnet_eps(config.norm_eps)
      .resnet_time_scale_shift(config.resnet_time_scale_shift)
      .resnet_act_fn(config.act_fn)
      .resnet_groups(config.norm_num_groups)
      .num_attention_heads(value_for(config.attention_head_dim, level))
      .cross_attention_dim(value_for(config.cross_attention_dim, level))
      .downsample_padding(config.downsample_padding)
      .use_linear_projection(config.use_linear_projection)
      .only_cross_attention(value_for(config.only_cross_attention, level));
}

}  // namespace

UNet2DConditionModelImpl::UNet2DConditionModelImpl(const UNet2DConditionConfig& config_)
    : config(config_) {
  reset();
}

void UNet2DConditionModelImpl::reset() {
  config.check();
  const auto first = config.block_out_channels.front(), last = config.block_out_channels.back();
  const auto time_embed_dim = config.time_embedding_dim.value_or(4 * first);
  act_ = get_activation(config.act_fn, kClassName, "act_fn");
  time_embed_act_ =
      config.time_embedding_act_fn
          ? get_activation(*config.time_embedding_act_fn, kClassName, "time_embedding_act_fn")
          : nullptr;

  conv_in = register_module("conv_in",
                            Conv2d(Conv2dOptions(config.in_channels, first, config.conv_in_kernel)
                                       .padding((config.conv_in_kernel - 1) / 2)));
  const auto timesteps = [&](int64_t channels) {
    return Timesteps(TimestepsOptions(channels)
                         .flip_sin_to_cos(config.flip_sin_to_cos)
                         .downscale_freq_shift(config.freq_shift));
  };
  time_proj = register_module("time_proj", timesteps(first));
  time_embedding = register_module(
      "time_embedding", TimestepEmbedding(TimestepEmbeddingOptions(first, time_embed_dim)
                                              .act_fn(config.act_fn)
                                              .post_act_fn(config.timestep_post_act)
                                              .cond_proj_dim(config.time_cond_proj_dim)));
  register_class_embedding(first, time_embed_dim);
  if (config.addition_embed_type) {
    add_time_proj = register_module("add_time_proj", timesteps(*config.addition_time_embed_dim));
    add_embedding = register_module(
        "add_embedding", TimestepEmbedding(TimestepEmbeddingOptions(
                             *config.projection_class_embeddings_input_dim, time_embed_dim)));
  }

  const auto temb_channels = config.class_embeddings_concat ? 2 * time_embed_dim : time_embed_dim;
  // In this order in Python's state_dict.
  register_down_blocks(temb_channels);
  register_up_blocks(temb_channels);
  if (config.mid_block_type) {
    const auto level = config.block_out_channels.size() - 1;
    auto options = block_options(config, level, last, temb_channels);
    options.num_layers(1).only_cross_attention(false).output_scale_factor(
        config.mid_block_scale_factor);
    mid_block = register_module("mid_block", UNetMidBlock2DCrossAttn(options));
  }
  conv_norm_out = register_module(
      "conv_norm_out",
      torch::nn::GroupNorm(
          torch::nn::GroupNormOptions(config.norm_num_groups, first).eps(config.norm_eps)));
  conv_out = register_module(
      "conv_out", Conv2d(Conv2dOptions(first, config.out_channels, config.conv_out_kernel)
                             .padding((config.conv_out_kernel - 1) / 2)));
}

void UNet2DConditionModelImpl::register_class_embedding(int64_t timestep_dim,
                                                        int64_t time_embed_dim) {
  const auto& type = config.class_embed_type;
  const auto projected = config.projection_class_embeddings_input_dim.value_or(0);
  if (!type && config.num_class_embeds) {
    torch::nn::EmbeddingOptions options(*config.num_class_embeds, time_embed_dim);
    if (SkipInitialization::is_active())
      options._weight(at::empty({*config.num_class_embeds, time_embed_dim}));
    class_embedding_table = register_module("class_embedding", torch::nn::Embedding(options));
  } else if (type == "timestep") {
    const auto options =
        TimestepEmbeddingOptions(timestep_dim, time_embed_dim).act_fn(config.act_fn);
    class_embedding_mlp = register_module("class_embedding", TimestepEmbedding(options));
  } else if (type == "projection") {
    const TimestepEmbeddingOptions options(projected, time_embed_dim);
    class_embedding_mlp = register_module("class_embedding", TimestepEmbedding(options));
  } else if (type == "simple_projection") {
    class_embedding_linear = register_module("class_embedding", Linear(projected, time_embed_dim));
  }
}

void UNet2DConditionModelImpl::register_down_blocks(int64_t temb_channels) {
  down_blocks = register_module("down_blocks", torch::nn::ModuleList());
  const auto& channels = config.block_out_channels;
  for (size_t i = 0; i < channels.size(); ++i) {
    auto options = block_options(config, i, channels[i == 0 ? 0 : i - 1], temb_channels);
    options.add_downsample(i + 1 < channels.size());
    if (config.down_block_types[i] == "DownBlock2D") {
      down_blocks->push_back(DownBlock2D(options));
    } else {
      down_blocks->push_back(CrossAttnDownBlock2D(options));
    }
  }
}

void UNet2DConditionModelImpl::register_up_blocks(int64_t temb_channels) {
  up_blocks = register_module("up_blocks", torch::nn::ModuleList());
  const auto& channels = config.block_out_channels;
  const auto last = channels.size() - 1;
  for (size_t i = 0; i <= last; ++i) {
    const auto level = last - i;
    auto options =
        block_options(config, level, channels[level == 0 ? 0 : level - 1], temb_channels);
    options.num_layers(options.num_layers() + 1)
        .prev_output_channel(channels[std::min(level + 1, last)])
        .add_upsample(i < last);
    if (config.up_block_types[i] == "UpBlock2D") {
      up_blocks->push_back(UpBlock2D(options));
    } else {
      up_blocks->push_back(CrossAttnUpBlock2D(options));
    }
  }
}

void UNet2DConditionModelImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::UNet2DConditionModel(in_channels=" << config.in_channels
         << ", out_channels=" << config.out_channels
         << ", blocks=" << config.block_out_channels.size() << ")";
}

}  // namespace xattn
