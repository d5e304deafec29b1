#include "xattn/schedulers/scheduling_ddim.h"

#include <ATen/ops/pow.h>
#include <ATen/ops/scalar_tensor.h>

#include "schedulers/checked_config.h"
#include "schedulers/noise_schedule.h"
#include "schedulers/timesteps.h"

namespace xattn {
namespace {

constexpr auto kDdimPlace = "DDIMScheduler";

}  // namespace

DDIMScheduler::DDIMScheduler(DDIMSchedulerConfig config)
    : AlphaScheduler(make_alphas_cumprod(kDdimPlace, checked(kDdimPlace, config),
                                         config.rescale_betas_zero_snr)),
      config_(std::move(config)),
      final_alpha_cumprod_(config_.set_alpha_to_one ? at::scalar_tensor(1.0, at::kFloat)
                                                    : element(alphas_cumprod_, 0)) {}

Schedule DDIMScheduler::schedule(const ScheduleOptions& options) const {
  check_taken(*this, options);
  const auto steps = steps_of(kDdimPlace, config_, options);
  auto result = whole_schedule(spaced_timesteps(config_, steps), options.device);
  result.num_inference_steps = steps;  // of which some spacings make one more
  return result;
}

SchedulerOutput DDIMScheduler::step(const Schedule& schedule, const at::Tensor& model_output,
                                    int64_t i, const at::Tensor& sample, SchedulerState& state,
                                    const StepOptions& options) const {
  begin_step(*this, schedule, model_output, i, sample, state, options);
  const double eta = options.eta.value_or(0);
  const auto t = schedule.timesteps[i].item<int64_t>();
  const auto previous_t = t - config_.num_train_timesteps / schedule.num_inference_steps;
  const auto alpha = element(alphas_cumprod_, t);
  const auto previous_alpha =
      previous_t >= 0 ? element(alphas_cumprod_, previous_t) : final_alpha_cumprod_;
  const auto beta = 1 - alpha, previous_beta = 1 - previous_alpha;

  const auto epsilon =
      predicted_epsilon(config_.prediction_type, model_output, sample, root(alpha), root(beta));
  const auto original = in_range_of(
      config_,
      predicted_original(config_.prediction_type, model_output, sample, root(alpha), root(beta)));

  const auto variance = previous_beta / beta * (1 - alpha / previous_alpha);
  const auto deviation = eta * root(variance);
  const auto direction = root(1 - previous_alpha - at::pow(deviation, 2)) * epsilon;
  auto previous = root(previous_alpha) * original + direction;
  if (eta > 0) {
    previous = previous + deviation * draw_noise(kDdimPlace, model_output, options.generators);
  }
  return {previous, original};
}

}  // namespace xattn
