#include "xattn/schedulers/scheduling_lcm.h"

#include <ATen/ops/pow.h>
#include <ATen/ops/scalar_tensor.h>

#include "schedulers/checked_config.h"
#include "schedulers/distilled_timesteps.h"
#include "schedulers/noise_schedule.h"
#include "schedulers/timesteps.h"

namespace xattn {
namespace {

constexpr auto kLcmPlace = "LCMScheduler";

}  // namespace

LCMScheduler::LCMScheduler(LCMSchedulerConfig config)
    : AlphaScheduler(make_alphas_cumprod(kLcmPlace, checked(kLcmPlace, config),
                                         config.rescale_betas_zero_snr)),
      config_(std::move(config)) {}

Schedule LCMScheduler::schedule(const ScheduleOptions& options) const {
  check_taken(*this, options);
  const auto steps = options.original_inference_steps.value_or(config_.original_inference_steps);
  const auto known =
      distillation_timesteps(kLcmPlace, config_, steps, strength_of(kLcmPlace, options));
  return distilled_schedule(kLcmPlace, config_, known, steps, options);
}

SchedulerOutput LCMScheduler::step(const Schedule& schedule, const at::Tensor& model_output,
                                   int64_t i, const at::Tensor& sample, SchedulerState& state,
                                   const StepOptions& options) const {
  begin_step(*this, schedule, model_output, i, sample, state, options);
  const bool is_last = i + 1 == schedule.size();
  const auto t = schedule.timesteps[i].item<int64_t>();
  const auto next = is_last ? t : schedule.timesteps[i + 1].item<int64_t>();
  const auto alpha = element(alphas_cumprod_, t), next_alpha = element(alphas_cumprod_, next);
  const auto beta = 1 - alpha;
  const auto original = in_range_of(
      config_,
      predicted_original(config_.prediction_type, model_output, sample, root(alpha), root(beta)));

  constexpr double kSquare = 0.25;  // of σ
  const auto scaled = at::scalar_tensor(double(t) * config_.timestep_scaling, at::kFloat);
  const auto divisor = at::pow(scaled, 2) + kSquare;
  const auto c_skip = kSquare / divisor, c_out = scaled / root(divisor);
  const auto denoised = c_out * original + c_skip * sample;
  // Where strength left some of the caller's timesteps out, the original's last step adds noise
  // too.
  if (i + 1 == schedule.num_inference_steps) return {denoised, denoised};
  const auto noise = draw_noise(kLcmPlace, denoised, options.generators);
  return {next_alpha.sqrt() * denoised + (1 - next_alpha).sqrt() * noise, denoised};
}

}  // namespace xattn
