#include "xattn/models/autoencoder_kl/down_encoder_block_2d.h"

#include "core/call.h"
#include "core/check.h"

namespace xattn {

DownEncoderBlock2DImpl::DownEncoderBlock2DImpl(const DownEncoderBlock2DOptions& options_)
    : options(options_) {
  reset();
}

void DownEncoderBlock2DImpl::reset() {
  check_at_least("DownEncoderBlock2D", "num_layers", options.num_layers(), 1);
  resnets = register_module("resnets", torch::nn::ModuleList());
  for (int64_t i = 0; i < options.num_layers(); ++i) {
    resnets->push_back(
        ResnetBlock2D(ResnetBlock2DOptions(i == 0 ? options.in_channels() : options.out_channels())
                          .out_channels(options.out_channels())
                          .temb_channels(std::nullopt)
                          .eps(options.resnet_eps())
                          .groups(options.resnet_groups())
                          .dropout(options.dropout())
                          .non_linearity(options.resnet_act_fn())
                          .output_scale_factor(options.output_scale_factor())));
  }
  if (!options.add_downsample()) return;
  downsamplers = register_module("downsamplers", torch::nn::ModuleList());
  downsamplers->push_back(Downsample2D(Downsample2DOptions(options.out_channels())
                                           .use_conv(true)
                                           .out_channels(options.out_channels())
                                           .padding(options.downsample_padding())
                                           .name("op")));
}

void DownEncoderBlock2DImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::DownEncoderBlock2D(in_channels=" << options.in_channels()
         << ", out_channels=" << options.out_channels() << ", num_layers=" << options.num_layers()
         << ", add_downsample=" << (options.add_downsample() ? "true" : "false") << ")";
}

torch::Tensor DownEncoderBlock2DImpl::forward(const torch::Tensor& hidden_states) {
  const Call call(*this, "DownEncoderBlock2D");
  check_input("DownEncoderBlock2D", "hidden_states", hidden_states,
              {"B", options.in_channels(), "H", "W"},
              resnets->at<ResnetBlock2DImpl>(0).conv1->inputs_like());
  auto state = hidden_states;
  for (size_t i = 0; i < resnets->size(); ++i)
    state = resnets->at<ResnetBlock2DImpl>(i).forward(state);
  return downsamplers ? downsamplers->at<Downsample2DImpl>(0).forward(state) : state;
}

}  // namespace xattn
