#include "xattn/schedulers/scheduling_euler_ancestral_discrete.h"

#include <ATen/ops/pow.h>
#include <ATen/ops/tensor.h>

#include "schedulers/noise_schedule.h"
#include "schedulers/sigmas.h"
#include "schedulers/timesteps.h"

namespace xattn {
namespace {

constexpr auto kEulerAncestralDiscretePlace = "EulerAncestralDiscreteScheduler";

}  // namespace

EulerAncestralDiscreteScheduler::EulerAncestralDiscreteScheduler(
    EulerAncestralDiscreteSchedulerConfig config)
    : config_(std::move(config)),
      alphas_cumprod_(make_alphas_cumprod(kEulerAncestralDiscretePlace, config_,
                                          config_.rescale_betas_zero_snr, kTerminalAlpha)) {}

Schedule EulerAncestralDiscreteScheduler::schedule(const ScheduleOptions& options) const {
  Schedule result;
  result.num_inference_steps = steps_of(kEulerAncestralDiscretePlace, config_, options);
  const auto timesteps = run_timesteps(kEulerAncestralDiscretePlace, config_, {}, options);
  auto sigmas = interpolate(timesteps, training_sigmas(alphas_cumprod_));
  sigmas.push_back(0);
  result.sigmas = at::tensor(sigmas, at::kDouble).to(at::kFloat);
  result.timesteps = float_timesteps(timesteps, options.device);
  result.init_noise_sigma = init_noise_sigma_of(result.sigmas, config_.timestep_spacing);
  return result;
}

at::Tensor EulerAncestralDiscreteScheduler::scale_model_input(const Schedule& schedule,
                                                              const at::Tensor& sample,
                                                              int64_t i) const {
  return scaled_input(schedule.sigmas, sample, i);
}

SchedulerOutput EulerAncestralDiscreteScheduler::step(const Schedule& schedule,
                                                      const at::Tensor& model_output, int64_t i,
                                                      const at::Tensor& sample,
                                                      SchedulerState& state,
                                                      const StepOptions& options) const {
  begin_step(kEulerAncestralDiscretePlace, schedule, model_output, i, sample, state, options,
             /*knows_eta=*/false);
  const auto from = sample.to(at::kFloat);
  const auto sigma = element(schedule.sigmas, i);
  const auto original = original_of(config_.prediction_type, model_output, from, sigma);
  const auto square = at::pow(sigma, 2), next_square = at::pow(element(schedule.sigmas, i + 1), 2);
  const auto up = root(next_square * (square - next_square) / square);
  const auto down = root(next_square - at::pow(up, 2));
  const auto derivative = (from - original) / sigma;
  const auto previous =
      from + derivative * (down - sigma) +
      draw_noise(kEulerAncestralDiscretePlace, model_output, options.generators) * up;
  return {previous.to(model_output.scalar_type()), original};
}

at::Tensor EulerAncestralDiscreteScheduler::add_noise(const Schedule& schedule,
                                                      const at::Tensor& original_samples,
                                                      const at::Tensor& noise,
                                                      const at::Tensor& timesteps) const {
  return add_noise_of_sigmas(kEulerAncestralDiscretePlace, schedule, original_samples, noise,
                             timesteps);
}

}  // namespace xattn
