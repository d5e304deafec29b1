#include "xattn/models/unet_2d_condition/cross_attn_down_block_2d.h"

#include "core/check.h"
#include "models/unet_2d_condition/unet_2d_block_parts.h"
#include "xattn/models/unet_2d_condition/transformer_2d_model.h"
#include "xattn/nn/downsample_2d.h"
#include "xattn/nn/resnet_block_2d.h"

namespace xattn {
namespace {

constexpr auto kPlace = "CrossAttnDownBlock2D";

}  // namespace

CrossAttnDownBlock2DImpl::CrossAttnDownBlock2DImpl(const UNet2DBlockOptions& options_)
    : options(options_) {
  reset();
}

void CrossAttnDownBlock2DImpl::reset() {
  unet_2d_block::check_options(kPlace, options, /*has_attention=*/true);
  attentions = register_module("attentions", unet_2d_block::attentions(kPlace, options));
  resnets = register_module("resnets", unet_2d_block::down_resnets(options));
  if (options.add_downsample()) {
    downsamplers = register_module("downsamplers", unet_2d_block::downsamplers(options));
  }
}

void CrossAttnDownBlock2DImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::CrossAttnDownBlock2D(" << unet_2d_block::describe(options) << ")";
}

DownBlockOutput CrossAttnDownBlock2DImpl::forward(const torch::Tensor& hidden_states,
                                                  const torch::Tensor& temb, TextContext& text,
                                                  const torch::Tensor& additional_residuals) {
  DownBlockOutput output{hidden_states, {}};
  for (size_t i = 0; i < resnets->size(); ++i) {
    output.hidden_states = resnets->at<ResnetBlock2DImpl>(i).forward(output.hidden_states, temb);
    output.hidden_states =
        attentions->at<Transformer2DModelImpl>(i).forward(output.hidden_states, text);
    if (i + 1 == resnets->size() && additional_residuals.defined()) {
      const auto sizes = output.hidden_states.sizes();
      check_input(kPlace, "additional_residuals", additional_residuals,
                  {sizes[0], sizes[1], sizes[2], sizes[3]}, temb);
      output.hidden_states = output.hidden_states + additional_residuals;
    }
    output.output_states.push_back(output.hidden_states);
  }
  if (!downsamplers) return output;
  output.hidden_states = downsamplers->at<Downsample2DImpl>(0).forward(output.hidden_states);
  output.output_states.push_back(output.hidden_states);
  return output;
}

void CrossAttnDownBlock2DImpl::prepare(const TextContext& text, AttentionPath path,
                                       std::vector<PreparedText>& prepared) {
  unet_2d_block::prepare(attentions, text, path, prepared);
}

}  // namespace xattn
