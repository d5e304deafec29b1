#include "xattn/schedulers/noise_scheduler.h"

#include "schedulers/dpm_solver.h"
#include "schedulers/noise_schedule.h"
#include "schedulers/sigmas.h"

namespace xattn {

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
  return add_noise_of_sigmas(class_name(), schedule, original_samples, noise, timesteps);
}

at::Tensor SolverScheduler::add_noise(const Schedule& schedule, const at::Tensor& original_samples,
                                      const at::Tensor& noise, const at::Tensor& timesteps) const {
  return add_noise_of_levels(class_name(), schedule, original_samples, noise, timesteps);
}

}  // namespace xattn
