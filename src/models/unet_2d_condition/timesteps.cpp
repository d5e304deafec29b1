#include "xattn/models/unet_2d_condition/timesteps.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/sin.h>

#include <cmath>

#include "core/call.h"
#include "core/check.h"

namespace xattn {

TimestepsImpl::TimestepsImpl(const TimestepsOptions& options_) : options(options_) {
  reset();
}

void TimestepsImpl::reset() {
  if (options.num_channels() >= 2) return;
  throw_value_error("Timesteps", "num_channels", "2 or more",
                    std::to_string(options.num_channels()));
}

void TimestepsImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::Timesteps(num_channels=" << options.num_channels() << ")";
}

torch::Tensor TimestepsImpl::forward(const torch::Tensor& timesteps) {
  const Call call(*this, "Timesteps");
  check_shape("Timesteps", "timesteps", timesteps, {"N"});
  const auto half = options.num_channels() / 2;
  const auto float32 = at::TensorOptions(timesteps.device()).dtype(at::kFloat);
  const auto exponent = at::arange(half, float32) * -std::log(10000.0) /
                        (static_cast<double>(half) - options.downscale_freq_shift());
  const auto angles = timesteps.unsqueeze(1).to(at::kFloat) * at::exp(exponent) * options.scale();
  const auto sines = at::sin(angles), cosines = at::cos(angles);
  const auto embedding =
      options.flip_sin_to_cos() ? at::cat({cosines, sines}, -1) : at::cat({sines, cosines}, -1);
  return options.num_channels() % 2 == 0 ? embedding : at::constant_pad_nd(embedding, {0, 1});
}

}  // namespace xattn
