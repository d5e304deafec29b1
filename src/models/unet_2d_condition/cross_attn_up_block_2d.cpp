#include "xattn/models/unet_2d_condition/cross_attn_up_block_2d.h"

#include "models/unet_2d_condition/unet_2d_block_parts.h"
#include "xattn/models/unet_2d_condition/transformer_2d_model.h"
#include "xattn/nn/resnet_block_2d.h"
#include "xattn/nn/upsample_2d.h"

namespace xattn {
namespace {

constexpr auto kPlace = "CrossAttnUpBlock2D";

}  // namespace

CrossAttnUpBlock2DImpl::CrossAttnUpBlock2DImpl(const UNet2DBlockOptions& options_)
    : options(options_) {
  reset();
}

void CrossAttnUpBlock2DImpl::reset() {
  unet_2d_block::check_options(kPlace, options, /*has_attention=*/true);
  attentions = register_module("attentions", unet_2d_block::attentions(kPlace, options));
  resnets = register_module("resnets", unet_2d_block::up_resnets(options));
  if (options.add_upsample()) {
    upsamplers = register_module("upsamplers", unet_2d_block::upsamplers(options));
  }
}

void CrossAttnUpBlock2DImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::CrossAttnUpBlock2D(" << unet_2d_block::describe(options) << ")";
}

torch::Tensor CrossAttnUpBlock2DImpl::forward(
    const torch::Tensor& hidden_states, std::vector<torch::Tensor> res_hidden_states_tuple,
    const torch::Tensor& temb, TextContext& text,
    const std::optional<std::array<int64_t, 2>>& upsample_size) {
  auto states = hidden_states;
  for (size_t i = 0; i < resnets->size(); ++i) {
    states = unet_2d_block::with_residual(kPlace, states, res_hidden_states_tuple);
    states = resnets->at<ResnetBlock2DImpl>(i).forward(states, temb);
    states = attentions->at<Transformer2DModelImpl>(i).forward(states, text);
  }
  return upsamplers ? upsamplers->at<Upsample2DImpl>(0).forward(states, upsample_size) : states;
}

void CrossAttnUpBlock2DImpl::prepare(const TextContext& text, AttentionPath path,
                                     std::vector<PreparedText>& prepared) {
  unet_2d_block::prepare(attentions, text, path, prepared);
}

}  // namespace xattn
