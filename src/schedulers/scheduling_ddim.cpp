#include "xattn/schedulers/scheduling_ddim.h"

#include <ATen/ops/pow.h>
#include <ATen/ops/scalar_tensor.h>

#include "schedulers/noise_schedule.h"
#include "schedulers/timesteps.h"

namespace xattn {
namespace {

constexpr auto kDdimPlace = "DDIMScheduler";

}  // namespace

DDIMScheduler::DDIMScheduler(DDIMSchedulerConfig config)
    : config_(std::move(config)),
      alphas_cumprod_(make_alphas_cumprod(kDdimPlace, config_, config_.rescale_betas_zero_snr)),
      final_alpha_cumprod_(config_.set_alpha_to_one ? at::scalar_tensor(1.0, at::kFloat)
                                                    : element(alphas_cumprod_, 0)) {}

Schedule DDIMScheduler::schedule(const ScheduleOptions& options) const {
  Schedule result;
  result.init_noise_sigma = at::scalar_tensor(1.0, at::kFloat);
  result.num_inference_steps = steps_of(kDdimPlace, config_, options);
  result.timesteps =
      whole_timesteps(spaced_timesteps(config_, result.num_inference_steps), options.device);
  return result;
}

SchedulerOutput DDIMScheduler::step(const Schedule& schedule, const at::Tensor& model_output,
                                    int64_t i, const at::Tensor& sample, SchedulerState& state,
                                    const StepOptions& options) const {
  begin_step(kDdimPlace, schedule, model_output, i, sample, state, options, /*knows_eta=*/true);
  const double eta = options.eta.value_or(0);
  const auto t = schedule.timesteps[i].item<int64_t>();
  const auto previous_t = t - config_.num_train_timesteps / schedule.num_inference_steps;
  const auto alpha = element(alphas_cumprod_, t);
  const auto previous_alpha =
      previous_t >= 0 ? element(alphas_cumprod_, previous_t) : final_alpha_cumprod_;
  const auto beta = 1 - alpha, previous_beta = 1 - previous_alpha;

  at::Tensor original, epsilon;
  if (config_.prediction_type == "epsilon") {
    original = (sample - root(beta) * model_output) / root(alpha);
    epsilon = model_output;
  } else if (config_.prediction_type == "sample") {
    original = model_output;
    epsilon = (sample - root(alpha) * original) / root(beta);
  } else {
    original = root(alpha) * sample - root(beta) * model_output;
    epsilon = root(alpha) * model_output + root(beta) * sample;
  }
  original = in_range_of(config_, original);

  const auto variance = previous_beta / beta * (1 - alpha / previous_alpha);
  const auto deviation = eta * root(variance);
  const auto direction = root(1 - previous_alpha - at::pow(deviation, 2)) * epsilon;
  auto previous = root(previous_alpha) * original + direction;
  if (eta > 0) {
    previous = previous + deviation * draw_noise(kDdimPlace, model_output, options.generators);
  }
  return {previous, original};
}

at::Tensor DDIMScheduler::add_noise(const Schedule&, const at::Tensor& original_samples,
                                    const at::Tensor& noise, const at::Tensor& timesteps) const {
  return add_noise_of(kDdimPlace, alphas_cumprod_, original_samples, noise, timesteps);
}

at::Tensor DDIMScheduler::get_velocity(const at::Tensor& sample, const at::Tensor& noise,
                                       const at::Tensor& timesteps) const {
  return velocity_of(kDdimPlace, alphas_cumprod_, sample, noise, timesteps);
}

}  // namespace xattn
