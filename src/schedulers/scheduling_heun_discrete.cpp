#include "xattn/schedulers/scheduling_heun_discrete.h"

#include <ATen/ops/clamp.h>
#include <ATen/ops/tensor.h>

#include "schedulers/checked_config.h"
#include "schedulers/noise_schedule.h"
#include "schedulers/sigmas.h"
#include "schedulers/timesteps.h"

namespace xattn {
namespace {

constexpr auto kHeunDiscretePlace = "HeunDiscreteScheduler";

}  // namespace

HeunDiscreteScheduler::HeunDiscreteScheduler(HeunDiscreteSchedulerConfig config)
    : SigmaScheduler(make_alphas_cumprod(kHeunDiscretePlace, checked(kHeunDiscretePlace, config))),
      config_(std::move(config)) {}

Schedule HeunDiscreteScheduler::schedule(const ScheduleOptions& options) const {
  check_taken(*this, options);
  const auto known = training_sigmas(alphas_cumprod_);
  const auto table = sigma_table(kHeunDiscretePlace, config_, config_, options, known);
  auto result = sigma_schedule(table, config_.timestep_spacing, options.device);
  result.sigmas = twice_each_step(result.sigmas, 1);
  result.timesteps = twice_each_step(result.timesteps, 2);
  return result;
}

SchedulerOutput HeunDiscreteScheduler::step(const Schedule& schedule,
                                            const at::Tensor& model_output, int64_t i,
                                            const at::Tensor& sample, SchedulerState& state,
                                            const StepOptions& options) const {
  begin_step(*this, schedule, model_output, i, sample, state, options);
  const bool is_first = is_first_half(kHeunDiscretePlace, i, state);
  const auto sigma = element(schedule.sigmas, is_first ? i : i - 1);
  const auto next = element(schedule.sigmas, is_first ? i + 1 : i);
  const auto at_sigma = is_first ? sigma : next;
  auto original = original_of(config_.prediction_type, model_output, sample, at_sigma);
  if (config_.clip_sample) {
    original = at::clamp(original, -config_.clip_sample_range, config_.clip_sample_range);
  }
  auto derivative = (sample - original) / at_sigma;
  auto from = sample;
  if (is_first) {
    state.outputs = {derivative};
    state.sample = sample;
  } else {
    derivative = (state.outputs[0] + derivative) / 2;
    from = state.sample;
    state.outputs.clear();
    state.sample = at::Tensor();
  }
  return {from + derivative * (next - sigma), original};
}

}  // namespace xattn
