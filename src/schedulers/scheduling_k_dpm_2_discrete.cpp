#include "xattn/schedulers/scheduling_k_dpm_2_discrete.h"

#include <ATen/ops/lerp.h>
#include <ATen/ops/tensor.h>

#include <cmath>

#include "schedulers/checked_config.h"
#include "schedulers/noise_schedule.h"
#include "schedulers/sigmas.h"
#include "schedulers/timesteps.h"

namespace xattn {
namespace {

constexpr auto kKDpm2DiscretePlace = "KDPM2DiscreteScheduler";

}  // namespace

KDPM2DiscreteScheduler::KDPM2DiscreteScheduler(KDPM2DiscreteSchedulerConfig config)
    : SigmaScheduler(
          make_alphas_cumprod(kKDpm2DiscretePlace, checked(kKDpm2DiscretePlace, config))),
      config_(std::move(config)) {}

Schedule KDPM2DiscreteScheduler::schedule(const ScheduleOptions& options) const {
  check_taken(*this, options);
  const auto known = training_sigmas(alphas_cumprod_);
  auto table = sigma_table(kKDpm2DiscretePlace, config_, config_, options, known);
  // Only these are whole numbers, as in the original.
  if (config_.use_karras_sigmas) round_all(table.timesteps);
  auto result = sigma_schedule(table, config_.timestep_spacing, options.device);
  const auto sigmas = result.sigmas;
  const auto interpol = at::lerp(sigmas.log(), sigmas.roll(1).log(), 0.5).exp();
  result.sigmas = twice_each_step(sigmas);
  result.sigmas_interpol = twice_each_step(interpol);
  result.timesteps =
      interleaved_timesteps(table.timesteps, interpol.narrow(0, 1, interpol.size(0) - 2), known)
          .to(options.device);
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
  begin_step(*this, schedule, model_output, i, sample, state, options);
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

}  // namespace xattn
