#include "xattn/models/autoencoder_kl/decoder.h"

#include <utility>

#include "core/call.h"
#include "core/check.h"
#include "nn/checkpointed_layer.h"

namespace xattn {
namespace {

constexpr auto kDecoder = "Decoder";
constexpr double kDecoderEps = 1e-6;

}  // namespace

DecoderImpl::DecoderImpl(const DecoderOptions& options_) : options(options_) {
  reset();
}

void DecoderImpl::reset() {
  const auto& channels = options.block_out_channels();
  if (channels.empty())
    throw_value_error(kDecoder, "block_out_channels", "one number or more", "none");
  check_at_least(kDecoder, "in_channels", options.in_channels(), 1);
  check_at_least(kDecoder, "out_channels", options.out_channels(), 1);
  for (const auto count : channels) check_at_least(kDecoder, "block_out_channels", count, 1);

  conv_in = register_module(
      "conv_in", Conv2d(Conv2dOptions(options.in_channels(), channels.back(), 3).padding(1)));
  up_blocks = register_module("up_blocks", torch::nn::ModuleList());
  mid_block = register_module(
      "mid_block", UNetMidBlock2D(UNetMidBlock2DOptions(channels.back())
                                      .resnet_eps(kDecoderEps)
                                      .resnet_act_fn(options.act_fn())
                                      .resnet_groups(options.norm_num_groups())
                                      .attention_head_dim(channels.back())
                                      .add_attention(options.mid_block_add_attention())));
  for (size_t i = channels.size(); i-- > 0;) {
    up_blocks->push_back(UpDecoderBlock2D(
        UpDecoderBlock2DOptions(channels[i + 1 < channels.size() ? i + 1 : i], channels[i])
            .num_layers(options.layers_per_block() + 1)
            .resnet_eps(kDecoderEps)
            .resnet_act_fn(options.act_fn())
            .resnet_groups(options.norm_num_groups())
            .add_upsample(i > 0)));
  }
  conv_norm_out = register_module(
      "conv_norm_out",
      GroupNorm(torch::nn::GroupNormOptions(options.norm_num_groups(), channels.front())
                    .eps(kDecoderEps)));
  conv_act = register_module("conv_act", torch::nn::SiLU());
  conv_out = register_module(
      "conv_out", Conv2d(Conv2dOptions(channels.front(), options.out_channels(), 3).padding(1)));
}

void DecoderImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::Decoder(in_channels=" << options.in_channels()
         << ", out_channels=" << options.out_channels()
         << ", levels=" << options.block_out_channels().size() << ")";
}

torch::Tensor DecoderImpl::forward(const torch::Tensor& sample) {
  const Call call(*this, kDecoder);
  check_input(kDecoder, "sample", sample, {"B", options.in_channels(), "H", "W"},
              conv_in->inputs_like());
  auto state = run_layer(*this, mid_block.ptr(), conv_in(sample));
  for (size_t i = 0; i < up_blocks->size(); ++i)
    state = run_layer(*this, up_blocks->ptr<UpDecoderBlock2DImpl>(i), std::move(state));
  return conv_out(conv_norm_out(state, get_activation("silu")));  // which conv_act is
}

}  // namespace xattn
