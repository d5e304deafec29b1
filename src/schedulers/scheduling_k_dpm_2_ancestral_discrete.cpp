#include "xattn/schedulers/scheduling_k_dpm_2_ancestral_discrete.h"

#include <ATen/ops/lerp.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/tensor.h>

#include "schedulers/checked_config.h"
#include "schedulers/noise_schedule.h"
#include "schedulers/sigmas.h"
#include "schedulers/timesteps.h"

namespace xattn {
namespace {

constexpr auto kKDpm2AncestralPlace = "KDPM2AncestralDiscreteScheduler";

}  // namespace

KDPM2AncestralDiscreteScheduler::KDPM2AncestralDiscreteScheduler(
    KDPM2AncestralDiscreteSchedulerConfig config)
    : SigmaScheduler(
          make_alphas_cumprod(kKDpm2AncestralPlace, checked(kKDpm2AncestralPlace, config))),
      config_(std::move(config)) {}

Schedule KDPM2AncestralDiscreteScheduler::schedule(const ScheduleOptions& options) const {
  check_taken(*this, options);
  const auto known = training_sigmas(alphas_cumprod_);
  auto table = sigma_table(kKDpm2AncestralPlace, config_, config_, options, known);
  // Only these are whole numbers, as in the original.
  if (config_.use_karras_sigmas) round_all(table.timesteps);
  auto result = sigma_schedule(table, config_.timestep_spacing, options.device);
  const auto sigmas = result.sigmas;
  auto next = sigmas.roll(-1);
  next[-1] = 0;
  const auto square = at::pow(sigmas, 2), next_square = at::pow(next, 2);
  const auto up = root(next_square * (square - next_square) / square);
  auto down = root(next_square - at::pow(up, 2));
  down[-1] = 0;
  auto interpol = at::lerp(sigmas.log(), down.log(), 0.5).exp();
  interpol.narrow(0, interpol.size(0) - 2, 2).zero_();
  result.sigmas_up = twice_each_step(up);
  result.sigmas_down = twice_each_step(down);
  result.sigmas = twice_each_step(sigmas);
  result.sigmas_interpol = twice_each_step(interpol);
  result.timesteps =
      interleaved_timesteps(table.timesteps, interpol.narrow(0, 0, interpol.size(0) - 2), known)
          .to(options.device);
  return result;
}

at::Tensor KDPM2AncestralDiscreteScheduler::scale_model_input(const Schedule& schedule,
                                                              const at::Tensor& sample,
                                                              int64_t i) const {
  const auto& sigmas = i % 2 == 0 ? schedule.sigmas : schedule.sigmas_interpol;
  return scaled_input(sigmas, sample, i % 2 == 0 ? i : i - 1);
}

SchedulerOutput KDPM2AncestralDiscreteScheduler::step(const Schedule& schedule,
                                                      const at::Tensor& model_output, int64_t i,
                                                      const at::Tensor& sample,
                                                      SchedulerState& state,
                                                      const StepOptions& options) const {
  begin_step(*this, schedule, model_output, i, sample, state, options);
  const bool is_first = is_first_half(kKDpm2AncestralPlace, i, state);
  const auto begin = is_first ? i : i - 1;
  const auto sigma = element(schedule.sigmas, begin);
  const auto middle = element(schedule.sigmas_interpol, begin);
  const auto at_sigma = is_first ? sigma : middle;
  const auto original = original_of(config_.prediction_type, model_output, sample, at_sigma);
  const auto derivative = (sample - original) / at_sigma;
  if (is_first) {
    state.sample = sample;
    return {sample + derivative * (middle - sigma), original};
  }
  auto previous = state.sample + derivative * (element(schedule.sigmas_down, begin) - sigma);
  state.sample = at::Tensor();
  const auto noise = draw_noise(kKDpm2AncestralPlace, model_output, options.generators);
  return {previous + noise * element(schedule.sigmas_up, begin), original};
}

}  // namespace xattn
