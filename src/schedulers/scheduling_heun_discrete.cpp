#include "xattn/schedulers/scheduling_heun_discrete.h"

#include <ATen/ops/clamp.h>
#include <ATen/ops/tensor.h>

#include "schedulers/noise_schedule.h"
#include "schedulers/sigmas.h"
#include "schedulers/timesteps.h"

namespace xattn {
namespace {

constexpr auto kHeunDiscretePlace = "HeunDiscreteScheduler";

}  // namespace

HeunDiscreteScheduler::HeunDiscreteScheduler(HeunDiscreteSchedulerConfig config)
    : config_(std::move(config)),
      alphas_cumprod_(make_alphas_cumprod(kHeunDiscretePlace, config_)) {
  check_spread(kHeunDiscretePlace, config_);
}

Schedule HeunDiscreteScheduler::schedule(const ScheduleOptions& options) const {
  const auto known = training_sigmas(alphas_cumprod_);
  const auto timesteps = run_timesteps(kHeunDiscretePlace, config_, config_, options);
  auto table = spread_table(config_, {timesteps, interpolate(timesteps, known)}, known);
  table.sigmas.push_back(0);
  Schedule result;
  result.num_inference_steps = int64_t(timesteps.size());
  result.sigmas = twice_each_step(at::tensor(table.sigmas, at::kDouble).to(at::kFloat), 1);
  result.timesteps =
      twice_each_step(float_timesteps(table.timesteps, at::kCPU), 2).to(options.device);
  result.init_noise_sigma = init_noise_sigma_of(result.sigmas, config_.timestep_spacing);
  return result;
}

at::Tensor HeunDiscreteScheduler::scale_model_input(const Schedule& schedule,
                                                    const at::Tensor& sample, int64_t i) const {
  return scaled_input(schedule.sigmas, sample, i);
}

SchedulerOutput HeunDiscreteScheduler::step(const Schedule& schedule,
                                            const at::Tensor& model_output, int64_t i,
                                            const at::Tensor& sample, SchedulerState& state,
                                            const StepOptions& options) const {
  begin_step(kHeunDiscretePlace, schedule, model_output, i, sample, state, options,
             /*knows_eta=*/false);
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

at::Tensor HeunDiscreteScheduler::add_noise(const Schedule& schedule,
                                            const at::Tensor& original_samples,
                                            const at::Tensor& noise,
                                            const at::Tensor& timesteps) const {
  return add_noise_of_sigmas(kHeunDiscretePlace, schedule, original_samples, noise, timesteps);
}

}  // namespace xattn
