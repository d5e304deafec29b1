#include "xattn/nn/resnet_block_2d.h"

#include <c10/core/GradMode.h>

#include <utility>

#include "core/call.h"
#include "core/check.h"

namespace xattn {
namespace {

constexpr auto kResnetBlock2D = "ResnetBlock2D";

GroupNorm norm_of(const char* name, int64_t groups, int64_t channels, double eps) {
  if (groups < 1 || channels % groups != 0) {
    throw_value_error(kResnetBlock2D, name,
                      "a divisor of the channels, " + std::to_string(channels),
                      std::to_string(groups));
  }
  return GroupNorm(torch::nn::GroupNormOptions(groups, channels).eps(eps));
}

}  // namespace

ResnetBlock2DImpl::ResnetBlock2DImpl(const ResnetBlock2DOptions& options_) : options(options_) {
  reset();
}

void ResnetBlock2DImpl::reset() {
  const auto in = options.in_channels(), middle = options.out_channels().value_or(in);
  const auto out = options.conv_2d_out_channels().value_or(middle);
  check_at_least(kResnetBlock2D, "in_channels", in, 1);
  check_at_least(kResnetBlock2D, "out_channels", middle, 1);
  const auto& norm = options.time_embedding_norm();
  if (norm != "default" && norm != "scale_shift") {
    throw_value_error(kResnetBlock2D, "time_embedding_norm", "default or scale_shift", norm);
  }
  nonlinearity_ = get_activation(options.non_linearity(), kResnetBlock2D, "non_linearity");

  norm1 = register_module("norm1", norm_of("groups", options.groups(), in, options.eps()));
  conv1 = register_module("conv1", Conv2d(Conv2dOptions(in, middle, 3).padding(1)));
  if (options.temb_channels()) {
    time_emb_proj = register_module(
        "time_emb_proj",
        Linear(*options.temb_channels(), norm == "scale_shift" ? 2 * middle : middle));
  }
  const auto groups_out = options.groups_out().value_or(options.groups());
  norm2 = register_module("norm2", norm_of("groups_out", groups_out, middle, options.eps()));
  dropout = register_module("dropout", torch::nn::Dropout(options.dropout()));
  conv2 = register_module("conv2", Conv2d(Conv2dOptions(middle, out, 3).padding(1)));
  if (options.use_in_shortcut().value_or(in != out)) {
    conv_shortcut = register_module(
        "conv_shortcut", Conv2d(Conv2dOptions(in, out, 1).bias(options.conv_shortcut_bias())));
  }
}

void ResnetBlock2DImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::ResnetBlock2D(in_channels=" << options.in_channels()
         << ", out_channels=" << options.out_channels().value_or(options.in_channels()) << ")";
}

torch::Tensor ResnetBlock2DImpl::forward(const torch::Tensor& input_tensor,
                                         const std::optional<torch::Tensor>& temb) {
  const Call call(*this, kResnetBlock2D);
  check_input(kResnetBlock2D, "input_tensor", input_tensor, {"B", options.in_channels(), "H", "W"},
              conv1->inputs_like());
  const bool scale_shift = options.time_embedding_norm() == "scale_shift";
  torch::Tensor time;
  if (time_emb_proj) {
    if (!temb)
      throw_value_error(kResnetBlock2D, "temb", "a tensor, as temb_channels is given", "none");
    check_input(kResnetBlock2D, "temb", *temb, {input_tensor.size(0), *options.temb_channels()},
                conv1->inputs_like());
    time = time_emb_proj(options.skip_time_act() ? *temb : nonlinearity_(*temb));
  } else if (scale_shift) {
    throw_value_error(kResnetBlock2D, "temb_channels",
                      "a number with time_embedding_norm scale_shift", "none");
  }

  const auto shortcut = [&] {
    if (!conv_shortcut) return input_tensor;
    // As the original in training, to its bits; not where weights are channels_last: that is
    // slower.
    const bool as_original = is_training() && conv1->weight.is_contiguous();
    return conv_shortcut(as_original ? input_tensor.contiguous() : input_tensor);
  };
  // As the original where it is recorded: gradients are added in the reverse order.
  const bool comes_last = c10::GradMode::is_enabled();
  Conv2dFusion first, second;
  if (!comes_last) second.residual = shortcut();
  torch::Tensor output;
  if (scale_shift) {
    auto hidden_states = norm2(norm_and_convolve(*norm1, *conv1, input_tensor));
    const auto halves = time.unsqueeze(-1).unsqueeze(-1).chunk(2, 1);
    hidden_states = nonlinearity_(hidden_states * (1 + halves[0]) + halves[1]);
    output = conv2(dropout(hidden_states), std::move(second));
  } else {
    first.shift = time;
    const auto hidden_states = norm_and_convolve(*norm1, *conv1, input_tensor, std::move(first));
    if (is_training() && options.dropout() > 0) {
      output = conv2(dropout(norm2(hidden_states, nonlinearity_)), std::move(second));
    } else {
      output = norm_and_convolve(*norm2, *conv2, hidden_states, std::move(second));
    }
  }
  if (comes_last) output = shortcut() + output;
  return options.output_scale_factor() == 1 ? output : output / options.output_scale_factor();
}

/// conv(act(norm(x))), in one pass if the activation can be.
torch::Tensor ResnetBlock2DImpl::norm_and_convolve(GroupNormImpl& norm, Conv2dImpl& conv,
                                                   const torch::Tensor& x,
                                                   Conv2dFusion fusion) const {
  fusion.norm = norm.arguments(nonlinearity_);
  return conv.forward(fusion.norm ? x : norm.forward(x, nonlinearity_), std::move(fusion));
}

}  // namespace xattn
