#include "xattn/schedulers/scheduling_lcm.h"

#include <ATen/ops/pow.h>
#include <ATen/ops/scalar_tensor.h>

#include "schedulers/noise_schedule.h"
#include "schedulers/timesteps.h"

namespace xattn {
namespace {

constexpr auto kLcmPlace = "LCMScheduler";

}  // namespace

LCMScheduler::LCMScheduler(LCMSchedulerConfig config)
    : config_(std::move(config)),
      alphas_cumprod_(make_alphas_cumprod(kLcmPlace, config_, config_.rescale_betas_zero_snr)) {}

Schedule LCMScheduler::schedule(const ScheduleOptions& options) const {
  Schedule result;
  result.init_noise_sigma = at::scalar_tensor(1.0, at::kFloat);
  const auto timesteps =
      distilled_timesteps(kLcmPlace, config_, config_.original_inference_steps, options);
  result.num_inference_steps = int64_t(timesteps.size());
  result.timesteps = whole_timesteps(timesteps, options.device);
  return result;
}

SchedulerOutput LCMScheduler::step(const Schedule& schedule, const at::Tensor& model_output,
                                   int64_t i, const at::Tensor& sample, SchedulerState& state,
                                   const StepOptions& options) const {
  begin_step(kLcmPlace, schedule, model_output, i, sample, state, options, /*knows_eta=*/false);
  const bool is_last = i + 1 == schedule.size();
  const auto t = schedule.timesteps[i].item<int64_t>();
  const auto next = is_last ? t : schedule.timesteps[i + 1].item<int64_t>();
  const auto alpha = element(alphas_cumprod_, t), next_alpha = element(alphas_cumprod_, next);
  const auto beta = 1 - alpha;
  at::Tensor original;
  if (config_.prediction_type == "epsilon") {
    original = (sample - beta.sqrt() * model_output) / alpha.sqrt();
  } else if (config_.prediction_type == "sample") {
    original = model_output;
  } else {
    original = alpha.sqrt() * sample - beta.sqrt() * model_output;
  }
  original = in_range_of(config_, original);

  constexpr double kSquare = 0.25;  // of σ
  const auto scaled = at::scalar_tensor(double(t) * config_.timestep_scaling, at::kFloat);
  const auto divisor = at::pow(scaled, 2) + kSquare;
  const auto c_skip = kSquare / divisor, c_out = scaled / root(divisor);
  const auto denoised = c_out * original + c_skip * sample;
  if (is_last) return {denoised, denoised};
  const auto noise = draw_noise(kLcmPlace, denoised, options.generators);
  return {next_alpha.sqrt() * denoised + (1 - next_alpha).sqrt() * noise, denoised};
}

at::Tensor LCMScheduler::add_noise(const Schedule&, const at::Tensor& original_samples,
                                   const at::Tensor& noise, const at::Tensor& timesteps) const {
  return add_noise_of(kLcmPlace, alphas_cumprod_, original_samples, noise, timesteps);
}

at::Tensor LCMScheduler::get_velocity(const at::Tensor& sample, const at::Tensor& noise,
                                      const at::Tensor& timesteps) const {
  return velocity_of(kLcmPlace, alphas_cumprod_, sample, noise, timesteps);
}

}  // namespace xattn
