#include "xattn/models/autoencoder_kl/encoder.h"

#include "core/call.h"
#include "core/check.h"
#include "nn/checkpointed_layer.h"

namespace xattn {
namespace {

constexpr auto kEncoder = "Encoder";
constexpr double kEncoderEps = 1e-6;

}  // namespace

EncoderImpl::EncoderImpl(const EncoderOptions& options_) : options(options_) {
  reset();
}

void EncoderImpl::reset() {
  const auto& channels = options.block_out_channels();
  if (channels.empty())
    throw_value_error(kEncoder, "block_out_channels", "one number or more", "none");
  check_at_least(kEncoder, "in_channels", options.in_channels(), 1);
  check_at_least(kEncoder, "out_channels", options.out_channels(), 1);
  for (const auto count : channels) check_at_least(kEncoder, "block_out_channels", count, 1);

  conv_in = register_module(
      "conv_in", Conv2d(Conv2dOptions(options.in_channels(), channels.front(), 3).padding(1)));
  down_blocks = register_module("down_blocks", torch::nn::ModuleList());
  for (size_t i = 0; i < channels.size(); ++i) {
    down_blocks->push_back(
        DownEncoderBlock2D(DownEncoderBlock2DOptions(channels[i == 0 ? 0 : i - 1], channels[i])
                               .num_layers(options.layers_per_block())
                               .resnet_eps(kEncoderEps)
                               .resnet_act_fn(options.act_fn())
                               .resnet_groups(options.norm_num_groups())
                               .add_downsample(i + 1 < channels.size())
                               .downsample_padding(0)));
  }
  mid_block = register_module(
      "mid_block", UNetMidBlock2D(UNetMidBlock2DOptions(channels.back())
                                      .resnet_eps(kEncoderEps)
                                      .resnet_act_fn(options.act_fn())
                                      .resnet_groups(options.norm_num_groups())
                                      .attention_head_dim(channels.back())
                                      .add_attention(options.mid_block_add_attention())));
  conv_norm_out = register_module(
      "conv_norm_out",
      GroupNorm(torch::nn::GroupNormOptions(options.norm_num_groups(), channels.back())
                    .eps(kEncoderEps)));
  conv_act = register_module("conv_act", torch::nn::SiLU());
  const auto out_channels = options.out_channels() * (options.double_z() ? 2 : 1);
  conv_out = register_module("conv_out",
                             Conv2d(Conv2dOptions(channels.back(), out_channels, 3).padding(1)));
}

void EncoderImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::Encoder(in_channels=" << options.in_channels()
         << ", out_channels=" << options.out_channels()
         << ", levels=" << options.block_out_channels().size() << ")";
}

torch::Tensor EncoderImpl::forward(const torch::Tensor& sample) {
  const Call call(*this, kEncoder);
  check_input(kEncoder, "sample", sample, {"B", options.in_channels(), "H", "W"},
              conv_in->inputs_like());
  auto state = conv_in(sample);
  for (size_t i = 0; i < down_blocks->size(); ++i) {
    state = run_layer(*this, down_blocks->ptr<DownEncoderBlock2DImpl>(i), state);
  }
  state = run_layer(*this, mid_block.ptr(), state);
  return conv_out(conv_norm_out(state, get_activation("silu")));  // which conv_act is
}

}  // namespace xattn
