#include <ATen/ops/cat.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "core/check.h"
#include "xattn/models/unet_2d_condition/cross_attn_down_block_2d.h"
#include "xattn/models/unet_2d_condition/cross_attn_up_block_2d.h"
#include "xattn/models/unet_2d_condition/down_block_2d.h"
#include "xattn/models/unet_2d_condition/unet_2d_condition_model.h"
#include "xattn/models/unet_2d_condition/up_block_2d.h"

namespace xattn {
namespace {

constexpr auto kPlace = UNet2DConditionModelImpl::kClassName;

void check_given(const char* name, bool is_given, bool is_wanted, const char* field) {
  if (is_given == is_wanted) return;
  throw_value_error(kPlace, name,
                    std::string(is_wanted ? "a tensor with " : "none without ") + field,
                    is_given ? "a tensor" : "none");
}

void check_mask(const char* name, const std::optional<torch::Tensor>& mask,
                const ExpectedDim& batch) {
  if (mask) check_shape(kPlace, name, *mask, {batch, "L"});
}

/// A mask as what it adds to the scores, `[B, 1, L]`.
std::optional<torch::Tensor> bias_of(const std::optional<torch::Tensor>& mask,
                                     const torch::Tensor& states) {
  if (!mask) return std::nullopt;
  return ((1 - mask->to(states.scalar_type())) * -10000.0).unsqueeze(1);
}

/// The residuals of T2I-Adapter, taken one after another.
class Adapter {
 public:
  explicit Adapter(const std::vector<torch::Tensor>& residuals) : residuals_(residuals) {}

  torch::Tensor next() { return next_ < residuals_.size() ? residuals_[next_++] : torch::Tensor(); }

  /// The next one, if it has these sizes.
  torch::Tensor next_of(at::IntArrayRef sizes) {
    return next_ < residuals_.size() && residuals_[next_].sizes() == sizes ? next()
                                                                           : torch::Tensor();
  }

 private:
  const std::vector<torch::Tensor>& residuals_;
  size_t next_ = 0;
};

void add_control(std::vector<torch::Tensor>& residuals,
                 const std::vector<torch::Tensor>& additional) {
  if (additional.empty()) return;
  if (additional.size() != residuals.size()) {
    throw_value_error(kPlace, "down_block_additional_residuals",
                      std::to_string(residuals.size()) + " tensors",
                      std::to_string(additional.size()));
  }
  for (size_t i = 0; i < residuals.size(); ++i) {
    const auto sizes = residuals[i].sizes();
    check_input(kPlace, "down_block_additional_residuals", additional[i],
                {sizes[0], sizes[1], sizes[2], sizes[3]}, residuals[i]);
    residuals[i] = residuals[i] + additional[i];
  }
}

std::vector<torch::Tensor> take_last(std::vector<torch::Tensor>& residuals, size_t count) {
  const auto begin = residuals.end() - static_cast<std::ptrdiff_t>(count);
  std::vector<torch::Tensor> last(std::make_move_iterator(begin),
                                  std::make_move_iterator(residuals.end()));
  residuals.erase(begin, residuals.end());
  return last;
}

size_t layers_of(const torch::nn::Module& block) {
  if (const auto* up = block.as<CrossAttnUpBlock2DImpl>()) return up->resnets->size();
  return block.as<UpBlock2DImpl>()->resnets->size();
}

}  // namespace

torch::Tensor UNet2DConditionModelImpl::forward(const torch::Tensor& sample,
                                                const torch::Tensor& timestep,
                                                const torch::Tensor& encoder_hidden_states,
                                                const UNet2DConditionArguments& arguments) {
  check_inputs(sample, timestep, arguments);
  check_input(kPlace, "encoder_hidden_states", encoder_hidden_states, {sample.size(0), "T", "S"},
              conv_in->weight);
  TextContext text(encoder_hidden_states, bias_of(arguments.encoder_attention_mask, sample),
                   bias_of(arguments.attention_mask, sample));
  return run(sample, timestep, text, arguments);
}

PreparedTexts UNet2DConditionModelImpl::prepare(
    const torch::Tensor& encoder_hidden_states,
    const std::optional<torch::Tensor>& encoder_attention_mask, AttentionPath path) {
  check_input(kPlace, "encoder_hidden_states", encoder_hidden_states, {"B", "T", "S"},
              conv_in->weight);
  check_mask("encoder_attention_mask", encoder_attention_mask, encoder_hidden_states.size(0));
  const TextContext text(encoder_hidden_states,
                         bias_of(encoder_attention_mask, encoder_hidden_states));
  PreparedTexts prepared;
  for (const auto& block : *down_blocks) {
    if (auto* down = block->as<CrossAttnDownBlock2D>()) down->prepare(text, path, prepared.layers);
  }
  if (mid_block) mid_block->prepare(text, path, prepared.layers);
  for (const auto& block : *up_blocks) {
    if (auto* up = block->as<CrossAttnUpBlock2D>()) up->prepare(text, path, prepared.layers);
  }
  return prepared;
}

torch::Tensor UNet2DConditionModelImpl::forward_prepared(
    const torch::Tensor& sample, const torch::Tensor& timestep, const PreparedTexts& text,
    const UNet2DConditionArguments& arguments) {
  check_inputs(sample, timestep, arguments);
  if (arguments.encoder_attention_mask) {
    throw_value_error(kPlace, "encoder_attention_mask",
                      "none, as the text was prepared with its own", "a tensor");
  }
  const auto& only_cross = config.only_cross_attention;
  if (arguments.attention_mask &&
      std::find(only_cross.begin(), only_cross.end(), true) != only_cross.end()) {
    throw_value_error(kPlace, "attention_mask",
                      "none with a prepared text and only_cross_attention", "a tensor");
  }
  TextContext context(&text.layers, bias_of(arguments.attention_mask, sample));
  return run(sample, timestep, context, arguments);
}

torch::Tensor UNet2DConditionModelImpl::run(const torch::Tensor& sample,
                                            const torch::Tensor& timestep, TextContext& text,
                                            const UNet2DConditionArguments& arguments) {
  const auto temb = time_embed(sample, timestep, arguments);
  auto states = conv_in(config.center_input_sample ? 2 * sample - 1.0 : sample);

  Adapter adapter(arguments.down_intrablock_additional_residuals);
  std::vector<torch::Tensor> residuals = {states};
  for (const auto& block : *down_blocks) {
    DownBlockOutput output;
    if (auto* down = block->as<CrossAttnDownBlock2D>()) {
      output = down->forward(states, temb, text, adapter.next());
    } else {
      output = block->as<DownBlock2D>()->forward(states, temb);
      if (const auto additional = adapter.next(); additional.defined()) {
        // In Python, the last residual is the same tensor.
        output.hidden_states = output.hidden_states + additional;
        output.output_states.back() = output.hidden_states;
      }
    }
    states = std::move(output.hidden_states);
    for (auto& state : output.output_states) residuals.push_back(std::move(state));
  }
  add_control(residuals, arguments.down_block_additional_residuals);

  if (mid_block) {
    states = mid_block(states, temb, text);
    if (const auto additional = adapter.next_of(states.sizes()); additional.defined())
      states = states + additional;
  }
  if (arguments.mid_block_additional_residual) {
    const auto sizes = states.sizes();
    check_input(kPlace, "mid_block_additional_residual", *arguments.mid_block_additional_residual,
                {sizes[0], sizes[1], sizes[2], sizes[3]}, states);
    states = states + *arguments.mid_block_additional_residual;
  }

  // Sizes that do not double back are told to the blocks on the way up.
  const auto factor = int64_t{1} << (up_blocks->size() - 1);
  const bool forward_size = sample.size(2) % factor != 0 || sample.size(3) % factor != 0;
  for (const auto& block : *up_blocks) {
    auto last = take_last(residuals, layers_of(*block));
    std::optional<std::array<int64_t, 2>> size;
    if (forward_size && !residuals.empty())
      size = {residuals.back().size(2), residuals.back().size(3)};
    states =
        block->as<CrossAttnUpBlock2D>()
            ? block->as<CrossAttnUpBlock2D>()->forward(states, std::move(last), temb, text, size)
            : block->as<UpBlock2D>()->forward(states, std::move(last), temb, size);
  }
  return conv_out(act_(conv_norm_out(states)));
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
    check_shape(kPlace, "class_labels", class_labels, {batch});
    if (!type) return class_embedding_table(class_labels);
    return class_embedding_mlp(time_proj(class_labels).to(sample.scalar_type()));
  }
  if (type == "identity") {
    const auto& linear = time_embedding->linear_2;
    check_shape(kPlace, "class_labels", class_labels, {batch, linear->options.out_features()});
    return class_labels.to(sample.scalar_type());
  }
  check_input(kPlace, "class_labels", class_labels,
              {batch, *config.projection_class_embeddings_input_dim}, conv_in->weight);
  return class_embedding_linear ? class_embedding_linear(class_labels)
                                : class_embedding_mlp(class_labels);
}

torch::Tensor UNet2DConditionModelImpl::addition_embed(const torch::Tensor& sample,
                                                       const UNet2DConditionArguments& arguments) {
  const auto& pooled = *arguments.text_embeds;
  check_shape(kPlace, "text_embeds", pooled, {sample.size(0), "P"});
  check_shape(kPlace, "time_ids", *arguments.time_ids, {sample.size(0), "K"});
  const auto width = *config.projection_class_embeddings_input_dim;
  const auto times = arguments.time_ids->size(1) * *config.addition_time_embed_dim;
  if (pooled.size(1) + times != width) {
    throw_value_error(kPlace, "text_embeds and time_ids",
                      "widths P + addition_time_embed_dim·K = " + std::to_string(width),
                      std::to_string(pooled.size(1)) + " + " + std::to_string(times));
  }
  const auto embedded = add_time_proj(arguments.time_ids->flatten()).reshape({sample.size(0), -1});
  return add_embedding(
      at::cat({pooled, embedded.to(pooled.scalar_type())}, -1).to(sample.scalar_type()));
}

void UNet2DConditionModelImpl::check_inputs(const torch::Tensor& sample,
                                            const torch::Tensor& timestep,
                                            const UNet2DConditionArguments& arguments) const {
  check_input(kPlace, "sample", sample, {"B", config.in_channels, "H", "W"}, conv_in->weight);
  if (!timestep.defined() || timestep.dim() > 1 ||
      (timestep.numel() != 1 && timestep.numel() != sample.size(0))) {
    throw_value_error(kPlace, "timestep", "[] or [" + std::to_string(sample.size(0)) + "]",
                      timestep.defined() ? shape_text(timestep.sizes()) : "none");
  }
  check_mask("attention_mask", arguments.attention_mask, sample.size(0));
  check_mask("encoder_attention_mask", arguments.encoder_attention_mask, sample.size(0));
  check_given("class_labels", arguments.class_labels.has_value(),
              config.class_embed_type || config.num_class_embeds,
              "class_embed_type or num_class_embeds");
  if (arguments.timestep_cond)
    check_given("timestep_cond", true, config.time_cond_proj_dim.has_value(), "time_cond_proj_dim");
  const bool has_size = config.addition_embed_type.has_value();
  check_given("text_embeds", arguments.text_embeds.has_value(), has_size, "addition_embed_type");
  check_given("time_ids", arguments.time_ids.has_value(), has_size, "addition_embed_type");
  const auto down = arguments.down_block_additional_residuals.size();
  if ((down > 0) != arguments.mid_block_additional_residual.has_value()) {
    throw_value_error(
        kPlace, down > 0 ? "mid_block_additional_residual" : "down_block_additional_residuals",
        "given, as its counterpart is", "none");
  }
}

}  // namespace xattn
