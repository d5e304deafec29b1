#include "xattn/models/unet_2d_condition/unet_mid_block_2d_cross_attn.h"

#include "models/unet_2d_condition/unet_2d_block_parts.h"
#include "xattn/models/unet_2d_condition/transformer_2d_model.h"
#include "xattn/nn/resnet_block_2d.h"

namespace xattn {
namespace {

constexpr auto kPlace = "UNetMidBlock2DCrossAttn";

}  // namespace

UNetMidBlock2DCrossAttnImpl::UNetMidBlock2DCrossAttnImpl(const UNet2DBlockOptions& options_)
    : options(options_) {
  reset();
}

void UNetMidBlock2DCrossAttnImpl::reset() {
  unet_2d_block::check_options(kPlace, options, /*has_attention=*/true);
  attentions = register_module("attentions", unet_2d_block::attentions(kPlace, options));
  // One more than there are transformers.
  auto resnet_options = options;
  resnet_options.num_layers(options.num_layers() + 1);
  resnets = register_module("resnets", unet_2d_block::down_resnets(resnet_options));
}

void UNetMidBlock2DCrossAttnImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::UNetMidBlock2DCrossAttn(" << unet_2d_block::describe(options) << ")";
}

torch::Tensor UNetMidBlock2DCrossAttnImpl::forward(const torch::Tensor& hidden_states,
                                                   const torch::Tensor& temb, TextContext& text) {
  auto states = resnets->at<ResnetBlock2DImpl>(0).forward(hidden_states, temb);
  for (size_t i = 0; i < attentions->size(); ++i) {
    states = attentions->at<Transformer2DModelImpl>(i).forward(states, text);
    states = resnets->at<ResnetBlock2DImpl>(i + 1).forward(states, temb);
  }
  return states;
}

void UNetMidBlock2DCrossAttnImpl::prepare(const TextContext& text, AttentionPath path,
                                          std::vector<PreparedText>& prepared) {
  unet_2d_block::prepare(attentions, text, path, prepared);
}

}  // namespace xattn
