#include "xattn/models/unet_2d_condition/unet_mid_block_2d_cross_attn.h"

#include "core/call.h"
#include "core/check.h"
#include "models/unet_2d_condition/unet_2d_block_parts.h"
#include "nn/checkpointed_layer.h"
#include "xattn/models/unet_2d_condition/transformer_2d_model.h"
#include "xattn/nn/resnet_block_2d.h"

namespace xattn {
namespace {

constexpr auto kUNetMidBlock2DCrossAttn = "UNetMidBlock2DCrossAttn";

}  // namespace

UNetMidBlock2DCrossAttnImpl::UNetMidBlock2DCrossAttnImpl(
    const UNetMidBlock2DCrossAttnOptions& options_)
    : options(options_) {
  reset();
}

void UNetMidBlock2DCrossAttnImpl::reset() {
  check_at_least(kUNetMidBlock2DCrossAttn, "in_channels", options.in_channels(), 1);
  check_at_least(kUNetMidBlock2DCrossAttn, "out_channels", options.out_channels(), 1);
  const unet_2d_block::Layers layers{kUNetMidBlock2DCrossAttn, options.resnets(),
                                     options.out_channels()};
  attentions = register_module("attentions", layers.attentions(options.transformers()));
  resnets = register_module("resnets", layers.resnets({options.in_channels()}));
  // One more than there are transformers.
  resnets->push_back(layers.resnet(options.out_channels()));
}

void UNetMidBlock2DCrossAttnImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::UNetMidBlock2DCrossAttn(in_channels=" << options.in_channels()
         << ", out_channels=" << options.out_channels()
         << ", num_layers=" << options.resnets().num_layers() << ")";
}

torch::Tensor UNetMidBlock2DCrossAttnImpl::forward(const torch::Tensor& hidden_states,
                                                   const torch::Tensor& temb,
                                                   const TextContext& text) {
  const Call call(*this, kUNetMidBlock2DCrossAttn);
  unet_2d_block::check_inputs(kUNetMidBlock2DCrossAttn, hidden_states, options.in_channels(), temb,
                              text, resnets->at<ResnetBlock2DImpl>(0));
  auto states = run_layer(*this, resnets->ptr<ResnetBlock2DImpl>(0), hidden_states, temb);
  for (size_t i = 0; i < attentions->size(); ++i) {
    states = attentions->at<Transformer2DModelImpl>(i).forward(states, text);
    states = run_layer(*this, resnets->ptr<ResnetBlock2DImpl>(i + 1), states, temb);
  }
  return states;
}

}  // namespace xattn
