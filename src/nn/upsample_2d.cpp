#include "xattn/nn/upsample_2d.h"

#include <ATen/ops/upsample_nearest2d.h>

#include <utility>

#include "core/call.h"
#include "core/check.h"

namespace xattn {
namespace {

constexpr auto kUpsample2D = "Upsample2D";

}  // namespace

Upsample2DImpl::Upsample2DImpl(const Upsample2DOptions& options_) : options(options_) {
  reset();
}

void Upsample2DImpl::reset() {
  const auto channels = options.channels();
  check_at_least(kUpsample2D, "channels", channels, 1);
  if (!options.use_conv()) return;
  conv = register_module(
      options.name() == "conv" ? "conv" : "Conv2d_0",
      Conv2d(Conv2dOptions(channels, options.out_channels().value_or(channels), 3).padding(1)));
}

void Upsample2DImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::Upsample2D(channels=" << options.channels()
         << ", use_conv=" << (options.use_conv() ? "true" : "false") << ")";
}

torch::Tensor Upsample2DImpl::forward(const torch::Tensor& hidden_states,
                                      const std::optional<std::array<int64_t, 2>>& output_size) {
  const Call call(*this, kUpsample2D);
  check_shape(kUpsample2D, "hidden_states", hidden_states, {"B", options.channels(), "H", "W"});
  const std::array twice = {2 * hidden_states.size(2), 2 * hidden_states.size(3)};
  const auto size = output_size.value_or(twice);
  if (conv && size == twice) {
    Conv2dFusion fusion;
    fusion.enlarges = true;
    return conv(hidden_states, std::move(fusion));
  }
  const auto enlarged = at::upsample_nearest2d(hidden_states, size);
  return conv ? conv(enlarged) : enlarged;
}

}  // namespace xattn
