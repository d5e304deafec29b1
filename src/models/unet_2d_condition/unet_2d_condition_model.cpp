#include "xattn/models/unet_2d_condition/unet_2d_condition_model.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "core/call.h"
#include "core/check.h"
#include "models/unet_2d_condition/unet_2d_condition_arguments.h"
#include "xattn/models/unet_2d_condition/unet_down_block_2d.h"
#include "xattn/models/unet_2d_condition/unet_up_block_2d.h"
#include "xattn/nn/gradient_checkpoint.h"
#include "xattn/nn/initialization.h"

namespace xattn {
namespace {

template <typename T>
T value_for(const std::vector<T>& values, size_t block) {
  return values.size() == 1 ? values[0] : values[block];
}

UNetResnetOptions resnet_options(const UNet2DConditionConfig& config, size_t level,
                                 int64_t temb_channels) {
  return UNetResnetOptions(temb_channels)
      .num_layers(value_for(config.layers_per_block, level))
      .dropout(config.dropout)
      .resnet_eps(config.norm_eps)
      .resnet_time_scale_shift(config.resnet_time_scale_shift)
      .resnet_act_fn(config.act_fn)
      .resnet_groups(config.norm_num_groups);
}

UNetTransformerOptions transformer_options(const UNet2DConditionConfig& config, size_t level) {
  return UNetTransformerOptions()
      .num_attention_heads(value_for(config.attention_head_dim, level))
      .cross_attention_dim(value_for(config.cross_attention_dim, level))
      .transformer_layers_per_block({value_for(config.transformer_layers_per_block, level)})
      .use_linear_projection(config.use_linear_projection)
      .only_cross_attention(value_for(config.only_cross_attention, level));
}

std::vector<torch::Tensor> take_last(std::vector<torch::Tensor>& residuals, size_t count) {
  const auto begin = residuals.end() - static_cast<std::ptrdiff_t>(count);
  std::vector<torch::Tensor> last(std::make_move_iterator(begin),
                                  std::make_move_iterator(residuals.end()));
  residuals.erase(begin, residuals.end());
  return last;
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
    const auto resnets = resnet_options(config, level, temb_channels)
                             .num_layers(1)
                             .output_scale_factor(config.mid_block_scale_factor);
    const auto transformers = transformer_options(config, level).only_cross_attention(false);
    mid_block = register_module("mid_block", UNetMidBlock2DCrossAttn(UNetMidBlock2DCrossAttnOptions(
                                                 last, resnets, transformers)));
  }
  conv_norm_out = register_module(
      "conv_norm_out",
      GroupNorm(torch::nn::GroupNormOptions(config.norm_num_groups, first).eps(config.norm_eps)));
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
    const auto options = DownBlock2DOptions(channels[i == 0 ? 0 : i - 1], channels[i],
                                            resnet_options(config, i, temb_channels))
                             .add_downsample(i + 1 < channels.size())
                             .downsample_padding(config.downsample_padding);
    if (config.down_block_types[i] == "DownBlock2D") {
      down_blocks->push_back(DownBlock2D(options));
    } else {
      down_blocks->push_back(CrossAttnDownBlock2D(options, transformer_options(config, i)));
    }
  }
}

void UNet2DConditionModelImpl::register_up_blocks(int64_t temb_channels) {
  up_blocks = register_module("up_blocks", torch::nn::ModuleList());
  const auto& channels = config.block_out_channels;
  const auto last = channels.size() - 1;
  for (size_t i = 0; i <= last; ++i) {
    const auto level = last - i;
    const auto resnets = resnet_options(config, level, temb_channels);
    const auto options =
        UpBlock2DOptions(channels[level == 0 ? 0 : level - 1], channels[std::min(level + 1, last)],
                         channels[level], resnets)
            .resnets(UNetResnetOptions(resnets).num_layers(resnets.num_layers() + 1))
            .add_upsample(i < last);
    if (config.up_block_types[i] == "UpBlock2D") {
      up_blocks->push_back(UpBlock2D(options));
    } else {
      up_blocks->push_back(CrossAttnUpBlock2D(options, transformer_options(config, level)));
    }
  }
}

void UNet2DConditionModelImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::UNet2DConditionModel(in_channels=" << config.in_channels
         << ", out_channels=" << config.out_channels
         << ", blocks=" << config.block_out_channels.size() << ")";
}

void UNet2DConditionModelImpl::enable_gradient_checkpointing() {
  set_gradient_checkpointing(*this, true);
}

void UNet2DConditionModelImpl::disable_gradient_checkpointing() {
  set_gradient_checkpointing(*this, false);
}

torch::Tensor UNet2DConditionModelImpl::forward(const torch::Tensor& sample,
                                                const torch::Tensor& timestep,
                                                const torch::Tensor& encoder_hidden_states,
                                                const UNet2DConditionArguments& arguments) {
  const Call call(*this, kClassName);
  unet_2d_condition::check_inputs(config, sample, timestep, arguments, conv_in->inputs_like());
  check_input(kClassName, "encoder_hidden_states", encoder_hidden_states,
              {sample.size(0), "T", "S"}, conv_in->inputs_like());
  return run(sample, timestep,
             TextContext(encoder_hidden_states, arguments.encoder_attention_mask,
                         arguments.attention_mask),
             arguments);
}

PreparedTexts UNet2DConditionModelImpl::prepare(
    const torch::Tensor& encoder_hidden_states,
    const std::optional<torch::Tensor>& encoder_attention_mask, AttentionPath path) {
  const Call call(*this, kClassName);
  check_input(kClassName, "encoder_hidden_states", encoder_hidden_states, {"B", "T", "S"},
              conv_in->inputs_like());
  unet_2d_condition::check_mask("encoder_attention_mask", encoder_attention_mask,
                                encoder_hidden_states.size(0));
  return prepare_texts(*this, TextContext(encoder_hidden_states, encoder_attention_mask), path);
}

torch::Tensor UNet2DConditionModelImpl::forward_prepared(
    const torch::Tensor& sample, const torch::Tensor& timestep, const PreparedTexts& text,
    const UNet2DConditionArguments& arguments) {
  const Call call(*this, kClassName);
  unet_2d_condition::check_inputs(config, sample, timestep, arguments, conv_in->inputs_like());
  unet_2d_condition::check_prepared_masks(config, arguments);
  auto mask = arguments.attention_mask;
  if (mask) mask = mask->to(sample.scalar_type());
  return run(sample, timestep, TextContext(&text, mask), arguments);
}

torch::Tensor UNet2DConditionModelImpl::run(const torch::Tensor& sample,
                                            const torch::Tensor& timestep, const TextContext& text,
                                            const UNet2DConditionArguments& arguments) {
  const auto temb = time_embed(sample, timestep, arguments);
  auto states = conv_in(config.center_input_sample ? 2 * sample - 1.0 : sample);

  unet_2d_condition::IntrablockResiduals intrablock(arguments.down_intrablock_additional_residuals);
  std::vector<torch::Tensor> residuals = {states};
  for (size_t i = 0; i < down_blocks->size(); ++i) {
    auto output =
        down_blocks->at<UNetDownBlock2DImpl>(i).forward(states, temb, text, intrablock.next());
    states = std::move(output.hidden_states);
    for (auto& state : output.output_states) residuals.push_back(std::move(state));
  }
  unet_2d_condition::add_control(residuals, arguments.down_block_additional_residuals);

  if (mid_block) {
    states = mid_block(states, temb, text);
    if (const auto additional = intrablock.next_of(states.sizes())) states = states + *additional;
  }
  intrablock.check_all_taken();
  if (arguments.mid_block_additional_residual) {
    const auto sizes = states.sizes();
    check_input(kClassName, "mid_block_additional_residual",
                *arguments.mid_block_additional_residual, {sizes[0], sizes[1], sizes[2], sizes[3]},
                states);
    states = states + *arguments.mid_block_additional_residual;
  }

  // Sizes that do not double back are told to the blocks on the way up.
  constexpr size_t kMostBits = 62;  // of a larger power of two no size is a multiple
  const auto factor = int64_t{1} << std::min(up_blocks->size() - 1, kMostBits);
  const bool forward_size = sample.size(2) % factor != 0 || sample.size(3) % factor != 0;
  for (size_t i = 0; i < up_blocks->size(); ++i) {
    auto& block = up_blocks->at<UNetUpBlock2DImpl>(i);
    auto last = take_last(residuals, block.resnets->size());
    std::optional<std::array<int64_t, 2>> size;
    if (forward_size && !residuals.empty())
      size = {residuals.back().size(2), residuals.back().size(3)};
    states = block.forward(states, std::move(last), temb, text, size);
  }
  return conv_out(conv_norm_out(states, act_));
}

torch::Tensor UNet2DConditionModelImpl::time_embed(const torch::Tensor& sample,
                                                   const torch::Tensor& timestep,
                                                   const UNet2DConditionArguments& arguments) {
  const auto timesteps = timestep.to(sample.device()).reshape({-1}).expand({sample.size(0)});
  auto embedding =
      time_embedding(time_proj(timesteps).to(sample.scalar_type()), arguments.timestep_cond);
  if (arguments.class_labels) {
    const auto classes = class_embed(sample, *arguments.class_labels);
    embedding =
        config.class_embeddings_concat ? at::cat({embedding, classes}, -1) : embedding + classes;
  }
  if (add_embedding) embedding = embedding + addition_embed(sample, arguments);
  return time_embed_act_ ? time_embed_act_(embedding) : embedding;
}

torch::Tensor UNet2DConditionModelImpl::class_embed(const torch::Tensor& sample,
                                                    const torch::Tensor& class_labels) {
  const auto batch = sample.size(0);
  const auto& type = config.class_embed_type;
  if (!type || type == "timestep") {
    check_shape(kClassName, "class_labels", class_labels, {batch});
    if (!type) {
      const auto& table = class_embedding_table->weight;
      check_indices(kClassName, "class_labels", class_labels, table.size(0), table);
      return class_embedding_table(class_labels);
    }
    return class_embedding_mlp(time_proj(class_labels).to(sample.scalar_type()));
  }
  if (type == "identity") {
    const auto& linear = time_embedding->linear_2;
    check_shape(kClassName, "class_labels", class_labels, {batch, linear->options.out_features()});
    return class_labels.to(sample.scalar_type());
  }
  check_input(kClassName, "class_labels", class_labels,
              {batch, *config.projection_class_embeddings_input_dim}, conv_in->inputs_like());
  return class_embedding_linear ? class_embedding_linear(class_labels)
                                : class_embedding_mlp(class_labels);
}

torch::Tensor UNet2DConditionModelImpl::addition_embed(const torch::Tensor& sample,
                                                       const UNet2DConditionArguments& arguments) {
  const auto& pooled = *arguments.text_embeds;
  check_shape(kClassName, "text_embeds", pooled, {sample.size(0), "P"});
  check_shape(kClassName, "time_ids", *arguments.time_ids, {sample.size(0), "K"});
  const auto width = *config.projection_class_embeddings_input_dim;
  const auto times = arguments.time_ids->size(1) * *config.addition_time_embed_dim;
  if (pooled.size(1) + times != width) {
    throw_value_error(kClassName, "text_embeds and time_ids",
                      "widths P + addition_time_embed_dim·K = " + std::to_string(width),
                      std::to_string(pooled.size(1)) + " + " + std::to_string(times));
  }
  const auto embedded = add_time_proj(arguments.time_ids->flatten()).reshape({sample.size(0), -1});
  return add_embedding(
      at::cat({pooled, embedded.to(pooled.scalar_type())}, -1).to(sample.scalar_type()));
}

}  // namespace xattn
