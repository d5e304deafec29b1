#include "xattn/models/unet_2d_condition/unet_down_block_2d.h"

#include "core/call.h"
#include "core/check.h"
#include "models/unet_2d_condition/unet_2d_block_parts.h"
#include "nn/checkpointed_layer.h"
#include "xattn/models/unet_2d_condition/transformer_2d_model.h"
#include "xattn/nn/downsample_2d.h"
#include "xattn/nn/resnet_block_2d.h"

namespace xattn {

UNetDownBlock2DImpl::UNetDownBlock2DImpl(const DownBlock2DOptions& options_,
                                         const std::optional<UNetTransformerOptions>& transformers_)
    : torch::nn::Cloneable<UNetDownBlock2DImpl>(transformers_ ? "CrossAttnDownBlock2D"
                                                              : "DownBlock2D"),
      options(options_),
      transformers(transformers_) {
  reset();
}

void UNetDownBlock2DImpl::reset() {
  const auto in = options.in_channels(), out = options.out_channels();
  check_at_least(name(), "in_channels", in, 1);
  check_at_least(name(), "out_channels", out, 1);
  const unet_2d_block::Layers layers{name(), options.resnets(), out};
  if (transformers) attentions = register_module("attentions", layers.attentions(*transformers));
  resnets = register_module("resnets", layers.resnets({in}));
  if (!options.add_downsample()) return;
  downsamplers = register_module(
      "downsamplers", torch::nn::ModuleList(Downsample2D(Downsample2DOptions(out)
                                                             .use_conv(true)
                                                             .padding(options.downsample_padding())
                                                             .name("op"))));
}

void UNetDownBlock2DImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::" << name() << "(in_channels=" << options.in_channels()
         << ", out_channels=" << options.out_channels()
         << ", num_layers=" << options.resnets().num_layers() << ")";
}

DownBlockOutput UNetDownBlock2DImpl::forward(
    const torch::Tensor& hidden_states, const torch::Tensor& temb, const TextContext& text,
    const std::optional<torch::Tensor>& additional_residuals) {
  const Call call(*this, name());
  unet_2d_block::check_inputs(name(), hidden_states, options.in_channels(), temb, text,
                              resnets->at<ResnetBlock2DImpl>(0));
  auto states = hidden_states;
  const auto add_residuals = [&] {
    if (!additional_residuals) return;
    const auto sizes = states.sizes();
    check_input(name(), "additional_residuals", *additional_residuals,
                {sizes[0], sizes[1], sizes[2], sizes[3]}, temb);
    states = states + *additional_residuals;
  };
  std::vector<torch::Tensor> output_states;
  for (size_t i = 0; i < resnets->size(); ++i) {
    states = run_layer(*this, resnets->ptr<ResnetBlock2DImpl>(i), states, temb);
    if (attentions) {
      states = attentions->at<Transformer2DModelImpl>(i).forward(states, text);
      if (i + 1 == resnets->size()) add_residuals();
    }
    output_states.push_back(states);
  }
  if (downsamplers) {
    states = downsamplers->at<Downsample2DImpl>(0).forward(states);
    output_states.push_back(states);
  }
  if (!attentions) {
    // Python's UNet adds in place, so that the last of the residuals has it too.
    add_residuals();
    output_states.back() = states;
  }
  return {states, output_states};
}

}  // namespace xattn
