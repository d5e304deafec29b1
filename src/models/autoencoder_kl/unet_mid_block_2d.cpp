#include "xattn/models/autoencoder_kl/unet_mid_block_2d.h"

#include <algorithm>

#include "core/call.h"
#include "core/check.h"

namespace xattn {
namespace {

constexpr auto kUNetMidBlock2D = "UNetMidBlock2D";

}  // namespace

UNetMidBlock2DImpl::UNetMidBlock2DImpl(const UNetMidBlock2DOptions& options_) : options(options_) {
  reset();
}

void UNetMidBlock2DImpl::reset() {
  const auto channels = options.in_channels();
  const auto head_dim = options.attention_head_dim().value_or(channels);
  check_at_least(kUNetMidBlock2D, "num_layers", options.num_layers(), 0);
  check_at_least(kUNetMidBlock2D, "attention_head_dim", head_dim, 1);
  const auto groups = options.resnet_groups().value_or(std::min<int64_t>(channels / 4, 32));
  auto attn_groups = options.attn_groups();
  if (!attn_groups && options.resnet_time_scale_shift() == "default") attn_groups = groups;

  attentions = register_module("attentions", torch::nn::ModuleList());
  resnets = register_module("resnets", torch::nn::ModuleList());
  for (int64_t i = 0; i <= options.num_layers(); ++i) {
    resnets->push_back(ResnetBlock2D(ResnetBlock2DOptions(channels)
                                         .out_channels(channels)
                                         .temb_channels(options.temb_channels())
                                         .eps(options.resnet_eps())
                                         .groups(groups)
                                         .dropout(options.dropout())
                                         .time_embedding_norm(options.resnet_time_scale_shift())
                                         .non_linearity(options.resnet_act_fn())
                                         .output_scale_factor(options.output_scale_factor())));
  }
  if (!options.add_attention()) return;
  for (int64_t i = 0; i < options.num_layers(); ++i) {
    attentions->push_back(Attention(AttentionOptions(channels)
                                        .heads(channels / head_dim)
                                        .dim_head(head_dim)
                                        .rescale_output_factor(options.output_scale_factor())
                                        .eps(options.resnet_eps())
                                        .norm_num_groups(attn_groups)
                                        .residual_connection(true)
                                        .bias(true)));
  }
}

void UNetMidBlock2DImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::UNetMidBlock2D(in_channels=" << options.in_channels()
         << ", num_layers=" << options.num_layers()
         << ", add_attention=" << (options.add_attention() ? "true" : "false") << ")";
}

torch::Tensor UNetMidBlock2DImpl::forward(const torch::Tensor& hidden_states,
                                          const std::optional<torch::Tensor>& temb) {
  const Call call(*this, kUNetMidBlock2D);
  check_input(kUNetMidBlock2D, "hidden_states", hidden_states,
              {"B", options.in_channels(), "H", "W"},
              resnets->at<ResnetBlock2DImpl>(0).conv1->inputs_like());
  auto state = resnets->at<ResnetBlock2DImpl>(0).forward(hidden_states, temb);
  for (size_t i = 1; i < resnets->size(); ++i) {
    if (!attentions->is_empty()) state = attentions->at<AttentionImpl>(i - 1).forward(state);
    state = resnets->at<ResnetBlock2DImpl>(i).forward(state, temb);
  }
  return state;
}

}  // namespace xattn
