#include "xattn/models/unet_2d_condition/down_block_2d.h"

#include "models/unet_2d_condition/unet_2d_block_parts.h"
#include "xattn/nn/downsample_2d.h"
#include "xattn/nn/resnet_block_2d.h"

namespace xattn {
namespace {

constexpr auto kPlace = "DownBlock2D";

}  // namespace

DownBlock2DImpl::DownBlock2DImpl(const UNet2DBlockOptions& options_) : options(options_) {
  reset();
}

void DownBlock2DImpl::reset() {
  unet_2d_block::check_options(kPlace, options, /*has_attention=*/false);
  resnets = register_module("resnets", unet_2d_block::down_resnets(options));
  if (options.add_downsample()) {
    downsamplers = register_module("downsamplers", unet_2d_block::downsamplers(options));
  }
}

void DownBlock2DImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::DownBlock2D(" << unet_2d_block::describe(options) << ")";
}

DownBlockOutput DownBlock2DImpl::forward(const torch::Tensor& hidden_states,
                                         const torch::Tensor& temb) {
  DownBlockOutput output{hidden_states, {}};
  for (const auto& resnet : *resnets) {
    output.hidden_states = resnet->as<ResnetBlock2D>()->forward(output.hidden_states, temb);
    output.output_states.push_back(output.hidden_states);
  }
  if (!downsamplers) return output;
  output.hidden_states = downsamplers->at<Downsample2DImpl>(0).forward(output.hidden_states);
  output.output_states.push_back(output.hidden_states);
  return output;
}

}  // namespace xattn
