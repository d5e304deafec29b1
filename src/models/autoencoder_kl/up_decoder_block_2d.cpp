#include "xattn/models/autoencoder_kl/up_decoder_block_2d.h"

#include "core/call.h"
#include "core/check.h"

namespace xattn {

UpDecoderBlock2DImpl::UpDecoderBlock2DImpl(const UpDecoderBlock2DOptions& options_)
    : options(options_) {
  reset();
}

void UpDecoderBlock2DImpl::reset() {
  check_at_least("UpDecoderBlock2D", "num_layers", options.num_layers(), 1);
  resnets = register_module("resnets", torch::nn::ModuleList());
  for (int64_t i = 0; i < options.num_layers(); ++i) {
    resnets->push_back(
        ResnetBlock2D(ResnetBlock2DOptions(i == 0 ? options.in_channels() : options.out_channels())
                          .out_channels(options.out_channels())
                          .temb_channels(options.temb_channels())
                          .eps(options.resnet_eps())
                          .groups(options.resnet_groups())
                          .dropout(options.dropout())
                          .non_linearity(options.resnet_act_fn())
                          .output_scale_factor(options.output_scale_factor())));
  }
  if (!options.add_upsample()) return;
  upsamplers = register_module("upsamplers", torch::nn::ModuleList());
  upsamplers->push_back(Upsample2D(Upsample2DOptions(options.out_channels())
                                       .use_conv(true)
                                       .out_channels(options.out_channels())));
}

void UpDecoderBlock2DImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::UpDecoderBlock2D(in_channels=" << options.in_channels()
         << ", out_channels=" << options.out_channels() << ", num_layers=" << options.num_layers()
         << ", add_upsample=" << (options.add_upsample() ? "true" : "false") << ")";
}

torch::Tensor UpDecoderBlock2DImpl::forward(torch::Tensor hidden_states,
                                            const std::optional<torch::Tensor>& temb) {
  const Call call(*this, "UpDecoderBlock2D");
  check_input("UpDecoderBlock2D", "hidden_states", hidden_states,
              {"B", options.in_channels(), "H", "W"},
              resnets->at<ResnetBlock2DImpl>(0).conv1->inputs_like());
  for (size_t i = 0; i < resnets->size(); ++i)
    hidden_states = resnets->at<ResnetBlock2DImpl>(i).forward(hidden_states, temb);
  return upsamplers ? upsamplers->at<Upsample2DImpl>(0).forward(hidden_states) : hidden_states;
}

}  // namespace xattn
