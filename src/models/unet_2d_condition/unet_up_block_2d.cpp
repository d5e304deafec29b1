#include "xattn/models/unet_2d_condition/unet_up_block_2d.h"

#include <ATen/ops/cat.h>

#include "core/call.h"
#include "core/check.h"
#include "models/unet_2d_condition/unet_2d_block_parts.h"
#include "nn/checkpointed_layer.h"
#include "xattn/models/unet_2d_condition/transformer_2d_model.h"
#include "xattn/nn/resnet_block_2d.h"
#include "xattn/nn/upsample_2d.h"

namespace xattn {

UNetUpBlock2DImpl::UNetUpBlock2DImpl(const UpBlock2DOptions& options_,
                                     const std::optional<UNetTransformerOptions>& transformers_)
    : torch::nn::Cloneable<UNetUpBlock2DImpl>(transformers_ ? "CrossAttnUpBlock2D" : "UpBlock2D"),
      options(options_),
      transformers(transformers_) {
  reset();
}

void UNetUpBlock2DImpl::reset() {
  const auto in = options.in_channels(), before = options.prev_output_channel(),
             out = options.out_channels();
  check_at_least(name(), "in_channels", in, 1);
  check_at_least(name(), "prev_output_channel", before, 1);
  check_at_least(name(), "out_channels", out, 1);
  const unet_2d_block::Layers layers{name(), options.resnets(), out};
  if (transformers) attentions = register_module("attentions", layers.attentions(*transformers));
  // Each takes the hidden states beside a residual; the last residual is the narrowest.
  std::vector<int64_t> in_channels(static_cast<size_t>(options.resnets().num_layers()), 2 * out);
  in_channels.front() = before + out;
  in_channels.back() += in - out;
  resnets = register_module("resnets", layers.resnets(in_channels));
  if (!options.add_upsample()) return;
  upsamplers = register_module(
      "upsamplers", torch::nn::ModuleList(Upsample2D(Upsample2DOptions(out).use_conv(true))));
}

void UNetUpBlock2DImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::" << name() << "(in_channels=" << options.in_channels()
         << ", out_channels=" << options.out_channels()
         << ", num_layers=" << options.resnets().num_layers() << ")";
}

torch::Tensor UNetUpBlock2DImpl::forward(
    const torch::Tensor& hidden_states, std::vector<torch::Tensor> res_hidden_states_tuple,
    const torch::Tensor& temb, const TextContext& text,
    const std::optional<std::array<int64_t, 2>>& upsample_size) {
  const Call call(*this, name());
  unet_2d_block::check_inputs(name(), hidden_states, options.prev_output_channel(), temb, text,
                              resnets->at<ResnetBlock2DImpl>(0));
  const auto layers = resnets->size();
  if (res_hidden_states_tuple.size() != layers) {
    throw_value_error(name(), "res_hidden_states_tuple",
                      std::to_string(layers) + ", one for each layer",
                      std::to_string(res_hidden_states_tuple.size()));
  }
  auto states = hidden_states;
  for (size_t i = 0; i < layers; ++i) {
    const auto residual = std::move(res_hidden_states_tuple[layers - 1 - i]);
    const auto channels = i + 1 == layers ? options.in_channels() : options.out_channels();
    check_input(name(), "res_hidden_states_tuple", residual,
                {states.size(0), channels, states.size(2), states.size(3)}, states);
    states =
        run_layer(*this, resnets->ptr<ResnetBlock2DImpl>(i), at::cat({states, residual}, 1), temb);
    if (attentions) states = attentions->at<Transformer2DModelImpl>(i).forward(states, text);
  }
  return upsamplers ? upsamplers->at<Upsample2DImpl>(0).forward(states, upsample_size) : states;
}

}  // namespace xattn
