#include "xattn/schedulers/noise_scheduler.h"

#include <ATen/ops/pow.h>

#include "schedulers/noise_schedule.h"
#include "schedulers/sigmas.h"

namespace xattn {
namespace {

/// α · samples + σ · α · noise with α = 1 / √(σ² + 1).
at::Tensor noised_at_level(const at::Tensor& sigma, const at::Tensor& samples,
                           const at::Tensor& noise) {
  const auto alpha = 1 / root(at::pow(sigma, 2) + 1);
  return alpha * samples + sigma * alpha * noise;
}

}  // namespace

at::Tensor NoiseScheduler::add_noise_at(const Schedule& schedule,
                                        const at::Tensor& original_samples, const at::Tensor& noise,
                                        int64_t i) const {
  check_step(class_name(), schedule, i);
  const auto timesteps = schedule.timesteps.narrow(0, i, 1).expand({original_samples.size(0)});
  return add_noise(schedule, original_samples, noise, timesteps);
}

at::Tensor AlphaScheduler::add_noise(const Schedule&, const at::Tensor& original_samples,
                                     const at::Tensor& noise, const at::Tensor& timesteps) const {
  return add_noise_of(class_name(), alphas_cumprod_, original_samples, noise, timesteps);
}

at::Tensor AlphaScheduler::get_velocity(const at::Tensor& sample, const at::Tensor& noise,
                                        const at::Tensor& timesteps) const {
  return velocity_of(class_name(), alphas_cumprod_, sample, noise, timesteps);
}

at::Tensor SigmaScheduler::scale_model_input(const Schedule& schedule, const at::Tensor& sample,
                                             int64_t i) const {
  return scaled_input(schedule.sigmas, sample, i);
}

at::Tensor SigmaScheduler::add_noise(const Schedule& schedule, const at::Tensor& original_samples,
                                     const at::Tensor& noise, const at::Tensor& timesteps) const {
  return original_samples + noise * sigmas_at(class_name(), schedule, timesteps, original_samples);
}

at::Tensor SigmaScheduler::add_noise_at(const Schedule& schedule,
                                        const at::Tensor& original_samples, const at::Tensor& noise,
                                        int64_t i) const {
  return original_samples + noise * sigma_at_step(class_name(), schedule, i, original_samples);
}

at::Tensor SolverScheduler::add_noise(const Schedule& schedule, const at::Tensor& original_samples,
                                      const at::Tensor& noise, const at::Tensor& timesteps) const {
  return noised_at_level(sigmas_at(class_name(), schedule, timesteps, original_samples),
                         original_samples, noise);
}

at::Tensor SolverScheduler::add_noise_at(const Schedule& schedule,
                                         const at::Tensor& original_samples,
                                         const at::Tensor& noise, int64_t i) const {
  return noised_at_level(sigma_at_step(class_name(), schedule, i, original_samples),
                         original_samples, noise);
}

}  // namespace xattn
