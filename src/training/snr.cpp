#include "xattn/training/snr.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/sqrt.h>

#include "core/check.h"

namespace xattn {

at::Tensor compute_snr(const NoiseScheduler& scheduler, const at::Tensor& timesteps) {
  check_shape("compute_snr", "timesteps", timesteps, {"B"});
  check_indices("compute_snr", "timesteps", timesteps, scheduler.num_train_timesteps(), timesteps);
  const auto alphas = scheduler.alphas_cumprod().to(timesteps.device());
  // By way of the roots, as the original rounds.
  const auto alpha = at::sqrt(alphas).index_select(0, timesteps);
  const auto sigma = at::sqrt(1.0 - alphas).index_select(0, timesteps);
  return (alpha / sigma).square();
}

}  // namespace xattn
