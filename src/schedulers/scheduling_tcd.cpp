#include "xattn/schedulers/scheduling_tcd.h"

#include <ATen/ops/scalar_tensor.h>

#include <cmath>
#include <numeric>

#include "core/check.h"
#include "schedulers/checked_config.h"
#include "schedulers/distilled_timesteps.h"
#include "schedulers/noise_schedule.h"
#include "schedulers/timesteps.h"

namespace xattn {
namespace {

constexpr auto kTcdPlace = "TCDScheduler";

/// The least noisy timesteps of the training, as many as `strength` leaves, in ascending order.
std::vector<double> least_timesteps(const TCDSchedulerConfig& config, double strength) {
  const auto count = static_cast<size_t>(double(config.num_train_timesteps) * strength);
  std::vector<double> timesteps(count);
  std::iota(timesteps.begin(), timesteps.end(), 0.0);
  return timesteps;
}

}  // namespace

TCDScheduler::TCDScheduler(TCDSchedulerConfig config)
    : AlphaScheduler(make_alphas_cumprod(kTcdPlace, checked(kTcdPlace, config),
                                         config.rescale_betas_zero_snr)),
      config_(std::move(config)) {}

Schedule TCDScheduler::schedule(const ScheduleOptions& options) const {
  check_taken(*this, options);
  const double strength = strength_of(kTcdPlace, options);
  const auto steps = options.original_inference_steps.value_or(config_.original_inference_steps);
  // With steps of the caller's, any of the training's timesteps may be taken.
  const auto known = options.original_inference_steps
                         ? least_timesteps(config_, strength)
                         : distillation_timesteps(kTcdPlace, config_, steps, strength);
  return distilled_schedule(kTcdPlace, config_, known, steps, options);
}

SchedulerOutput TCDScheduler::step(const Schedule& schedule, const at::Tensor& model_output,
                                   int64_t i, const at::Tensor& sample, SchedulerState& state,
                                   const StepOptions& options) const {
  begin_step(*this, schedule, model_output, i, sample, state, options);
  const bool is_last = i + 1 == schedule.size();
  const auto t = schedule.timesteps[i].item<int64_t>();
  const double eta = options.eta.value_or(0.3);
  if (!(eta >= 0 && eta <= 1)) throw_value_error(kTcdPlace, "eta", "0 to 1", std::to_string(eta));
  const auto next = is_last ? 0 : schedule.timesteps[i + 1].item<int64_t>();
  // In float32, as the original's.
  const auto s = static_cast<int64_t>(std::floor(float(1 - eta) * float(next)));
  const auto alpha = element(alphas_cumprod_, t), next_alpha = element(alphas_cumprod_, next),
             alpha_s = element(alphas_cumprod_, s);
  const auto beta = 1 - alpha, beta_s = 1 - alpha_s;
  const auto epsilon =
      predicted_epsilon(config_.prediction_type, model_output, sample, root(alpha), root(beta));
  const auto original =
      predicted_original(config_.prediction_type, model_output, sample, root(alpha), root(beta));
  const auto noised = alpha_s.sqrt() * original + beta_s.sqrt() * epsilon;
  // Where strength left some of the caller's timesteps out, the original's last step draws noise
  // too.
  if (eta == 0 || i + 1 == schedule.num_inference_steps) return {noised, noised};
  const auto ratio = next_alpha / alpha_s;
  const auto noise = draw_noise(kTcdPlace, noised, options.generators);
  return {ratio.sqrt() * noised + (1 - ratio).sqrt() * noise, noised};
}

}  // namespace xattn
