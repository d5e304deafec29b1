#include "xattn/nn/downsample_2d.h"

#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/constant_pad_nd.h>

#include "core/call.h"
#include "core/check.h"

namespace xattn {
namespace {

constexpr auto kDownsample2D = "Downsample2D";

}  // namespace

Downsample2DImpl::Downsample2DImpl(const Downsample2DOptions& options_) : options(options_) {
  reset();
}

void Downsample2DImpl::reset() {
  const auto channels = options.channels(),
             out_channels = options.out_channels().value_or(channels);
  check_at_least(kDownsample2D, "channels", channels, 1);
  if (!options.use_conv()) {
    if (out_channels == channels) return;
    throw_value_error(kDownsample2D, "out_channels",
                      std::to_string(channels) + ", as channels, without use_conv",
                      std::to_string(out_channels));
  }
  conv = Conv2d(Conv2dOptions(channels, out_channels, 3).stride(2).padding(options.padding()));
  if (options.name() == "conv") register_module("Conv2d_0", conv);
  register_module("conv", conv);
}

void Downsample2DImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::Downsample2D(channels=" << options.channels()
         << ", use_conv=" << (options.use_conv() ? "true" : "false")
         << ", padding=" << options.padding() << ")";
}

torch::Tensor Downsample2DImpl::forward(const torch::Tensor& hidden_states) {
  const Call call(*this, kDownsample2D);
  check_shape(kDownsample2D, "hidden_states", hidden_states, {"B", options.channels(), "H", "W"});
  if (!conv) return at::avg_pool2d(hidden_states, {2, 2}, {2, 2});
  if (options.padding() > 0) return conv(hidden_states);
  return conv(at::constant_pad_nd(hidden_states, {0, 1, 0, 1}));
}

}  // namespace xattn
