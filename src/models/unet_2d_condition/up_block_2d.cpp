#include "xattn/models/unet_2d_condition/up_block_2d.h"

#include "models/unet_2d_condition/unet_2d_block_parts.h"
#include "xattn/nn/resnet_block_2d.h"
#include "xattn/nn/upsample_2d.h"

namespace xattn {
namespace {

constexpr auto kPlace = "UpBlock2D";

}  // namespace

UpBlock2DImpl::UpBlock2DImpl(const UNet2DBlockOptions& options_) : options(options_) {
  reset();
}

void UpBlock2DImpl::reset() {
  unet_2d_block::check_options(kPlace, options, /*has_attention=*/false);
  resnets = register_module("resnets", unet_2d_block::up_resnets(options));
  if (options.add_upsample()) {
    upsamplers = register_module("upsamplers", unet_2d_block::upsamplers(options));
  }
}

void UpBlock2DImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::UpBlock2D(" << unet_2d_block::describe(options) << ")";
}

torch::Tensor UpBlock2DImpl::forward(const torch::Tensor& hidden_states,
                                     std::vector<torch::Tensor> res_hidden_states_tuple,
                                     const torch::Tensor& temb,
                                     const std::optional<std::array<int64_t, 2>>& upsample_size) {
  auto states = hidden_states;
  for (const auto& resnet : *resnets) {
    states = unet_2d_block::with_residual(kPlace, states, res_hidden_states_tuple);
    states = resnet->as<ResnetBlock2D>()->forward(states, temb);
  }
  return upsamplers ? upsamplers->at<Upsample2DImpl>(0).forward(states, upsample_size) : states;
}

}  // namespace xattn
