#include "xattn/models/unet_2d_condition/transformer_2d_model.h"

#include "core/call.h"
#include "core/check.h"
#include "models/unet_2d_condition/unet_2d_block_parts.h"
#include "ops/gradient.h"
#include "xattn/models/unet_2d_condition/basic_transformer_block.h"

namespace xattn {
namespace {

constexpr auto kTransformer2DModel = "Transformer2DModel";

torch::Tensor checkpointed_block(const std::shared_ptr<BasicTransformerBlockImpl>& block,
                                 const torch::Tensor& states, const TextContext& text) {
  if (text.is_prepared()) {
    throw_value_error(kTransformer2DModel, "text (prepared)",
                      "the text itself, with gradient checkpointing", "a prepared one");
  }
  const auto or_none = [](const std::optional<torch::Tensor>& mask) {
    return mask.value_or(torch::Tensor());
  };
  // All that a gradient may be for.
  return gradient_checkpoint(
      block,
      [block = block.get()](const std::vector<torch::Tensor>& inputs) {
        return block->forward(inputs[0], TextContext(inputs[1], inputs[2], inputs[3]));
      },
      {states, text.encoder_hidden_states(), or_none(text.encoder_attention_mask()),
       or_none(text.attention_mask())});
}

}  // namespace

Transformer2DModelImpl::Transformer2DModelImpl(const Transformer2DModelOptions& options_)
    : options(options_) {
  reset();
}

void Transformer2DModelImpl::reset() {
  const auto channels = options.in_channels(), groups = options.norm_num_groups();
  const auto inner = options.num_attention_heads() * options.attention_head_dim();
  if (groups < 1 || channels < 1 || channels % groups != 0) {
    throw_value_error(kTransformer2DModel, "norm_num_groups",
                      "a divisor of in_channels = " + std::to_string(channels),
                      std::to_string(groups));
  }
  norm =
      register_module("norm", GroupNorm(torch::nn::GroupNormOptions(groups, channels).eps(1e-6)));
  if (options.use_linear_projection()) {
    proj_in_linear = register_module("proj_in", Linear(channels, inner));
  } else {
    proj_in_conv = register_module("proj_in", Conv2d(Conv2dOptions(channels, inner, 1)));
  }
  const auto block = BasicTransformerBlockOptions(inner, options.num_attention_heads(),
                                                  options.attention_head_dim())
                         .dropout(options.dropout())
                         .cross_attention_dim(options.cross_attention_dim())
                         .activation_fn(options.activation_fn())
                         .attention_bias(options.attention_bias())
                         .only_cross_attention(options.only_cross_attention())
                         .double_self_attention(options.double_self_attention())
                         .norm_elementwise_affine(options.norm_elementwise_affine())
                         .norm_eps(options.norm_eps());
  transformer_blocks = register_module("transformer_blocks", torch::nn::ModuleList());
  for (int64_t i = 0; i < options.num_layers(); ++i)
    transformer_blocks->push_back(BasicTransformerBlock(block));
  if (options.use_linear_projection()) {
    proj_out_linear = register_module("proj_out", Linear(inner, channels));
  } else {
    proj_out_conv = register_module("proj_out", Conv2d(Conv2dOptions(inner, channels, 1)));
  }
}

void Transformer2DModelImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::Transformer2DModel(num_attention_heads=" << options.num_attention_heads()
         << ", attention_head_dim=" << options.attention_head_dim()
         << ", in_channels=" << options.in_channels() << ", num_layers=" << options.num_layers()
         << ")";
}

torch::Tensor Transformer2DModelImpl::forward(const torch::Tensor& hidden_states,
                                              const TextContext& text) {
  const Call call(*this, kTransformer2DModel);
  check_input(kTransformer2DModel, "hidden_states", hidden_states,
              {"B", options.in_channels(), "H", "W"}, norm->weight);
  unet_2d_block::check_text(kTransformer2DModel, text, norm->weight);
  const auto tokens_of = [](const torch::Tensor& image) {
    return image.flatten(2).transpose(1, 2).contiguous();
  };
  const auto image_of = [&](const torch::Tensor& tokens) {
    // A view whose channels lie side by side: of strides that say so with one image, too. In
    // training as the original, to its bits.
    const auto image =
        tokens.unflatten(1, {hidden_states.size(2), hidden_states.size(3)}).permute({0, 3, 1, 2});
    return wants_gradient({tokens}) ? image.contiguous() : image;
  };
  auto states = norm(hidden_states);
  states = proj_in_conv ? tokens_of(proj_in_conv(states)) : proj_in_linear(tokens_of(states));
  const bool checkpoint = gradient_checkpointing && c10::GradMode::is_enabled();
  for (size_t i = 0; i < transformer_blocks->size(); ++i) {
    const auto block = transformer_blocks->ptr<BasicTransformerBlockImpl>(i);
    states = checkpoint ? checkpointed_block(block, states, text) : block->forward(states, text);
  }
  states = proj_out_conv ? proj_out_conv(image_of(states)) : image_of(proj_out_linear(states));
  return hidden_states + states;  // a sum lies in memory as its first term
}

}  // namespace xattn
