#include "xattn/schedulers/scheduling_k_dpm_2_discrete.h"

#include <ATen/ops/lerp.h>
#include <ATen/ops/tensor.h>

#include <cmath>

#include "schedulers/noise_schedule.h"
#include "schedulers/sigmas.h"
#include "schedulers/timesteps.h"

namespace xattn {
namespace {

constexpr auto kKDpm2DiscretePlace = "KDPM2DiscreteScheduler";

}  // namespace

KDPM2DiscreteScheduler::KDPM2DiscreteScheduler(KDPM2DiscreteSchedulerConfig config)
    : config_(std::move(config)),
      alphas_cumprod_(make_alphas_cumprod(kKDpm2DiscretePlace, config_)) {
  check_spread(kKDpm2DiscretePlace, config_);
}

Schedule KDPM2DiscreteScheduler::schedule(const ScheduleOptions& options) const {
  const auto known = training_sigmas(alphas_cumprod_);
  Schedule result;
  result.num_inference_steps = steps_of(kKDpm2DiscretePlace, config_, options);
  const auto timesteps = run_timesteps(kKDpm2DiscretePlace, config_, config_, options);
  auto table = spread_table(config_, {timesteps, interpolate(timesteps, known)}, known);
  // Only these are whole numbers, as in the original.
  for (auto& timestep : table.timesteps) {
    if (config_.use_karras_sigmas) timestep = round_half_even(timestep);
  }
  table.sigmas.push_back(0);
  const auto sigmas = at::tensor(table.sigmas, at::kDouble).to(at::kFloat);
  const auto interpol = at::lerp(sigmas.log(), sigmas.roll(1).log(), 0.5).exp();
  result.sigmas = twice_each_step(sigmas);
  result.sigmas_interpol = twice_each_step(interpol);
  result.timesteps =
      interleaved_timesteps(table.timesteps, interpol.narrow(0, 1, interpol.size(0) - 2), known)
          .to(options.device);
  result.init_noise_sigma = init_noise_sigma_of(result.sigmas, config_.timestep_spacing);
  return result;
}

at::Tensor KDPM2DiscreteScheduler::scale_model_input(const Schedule& schedule,
                                                     const at::Tensor& sample, int64_t i) const {
  const auto& sigmas = i % 2 == 0 ? schedule.sigmas : schedule.sigmas_interpol;
  return scaled_input(sigmas, sample, i);
}

SchedulerOutput KDPM2DiscreteScheduler::step(const Schedule& schedule,
                                             const at::Tensor& model_output, int64_t i,
                                             const at::Tensor& sample, SchedulerState& state,
                                             const StepOptions& options) const {
  begin_step(kKDpm2DiscretePlace, schedule, model_output, i, sample, state, options,
             /*knows_eta=*/false);
  const bool is_first = is_first_half(kKDpm2DiscretePlace, i, state);
  const auto begin = is_first ? i : i - 1;
  const auto sigma = element(schedule.sigmas, begin);
  const auto middle = element(schedule.sigmas_interpol, begin + 1);
  const auto at_sigma = is_first ? sigma : middle;
  const auto original = original_of(config_.prediction_type, model_output, sample, at_sigma);
  const auto derivative = (sample - original) / at_sigma;
  if (is_first) {
    state.sample = sample;
    return {sample + derivative * (middle - sigma), original};
  }
  const auto previous = state.sample + derivative * (element(schedule.sigmas, i) - sigma);
  state.sample = at::Tensor();
  return {previous, original};
}

at::Tensor KDPM2DiscreteScheduler::add_noise(const Schedule& schedule,
                                             const at::Tensor& original_samples,
                                             const at::Tensor& noise,
                                             const at::Tensor& timesteps) const {
  return add_noise_of_sigmas(kKDpm2DiscretePlace, schedule, original_samples, noise, timesteps);
}

}  // namespace xattn
