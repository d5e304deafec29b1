#include "xattn/schedulers/scheduling_pndm.h"

#include <ATen/ops/scalar_tensor.h>

#include "core/check.h"
#include "schedulers/checked_config.h"
#include "schedulers/noise_schedule.h"
#include "schedulers/timesteps.h"

namespace xattn {
namespace {

constexpr auto kPndmPlace = "PNDMScheduler";
constexpr int64_t kPndmOrder = 4;

/// Each of the four noisiest timesteps and the one half a step before it, as Runge-Kutta's method
/// meets them: the first and last one once, the others twice.
std::vector<double> prk_timesteps(const std::vector<double>& timesteps, int64_t half_step) {
  std::vector<double> pairs;
  for (int64_t i = 0; i < kPndmOrder; ++i) {
    const auto timestep = timesteps[size_t(kPndmOrder - 1 - i)];
    pairs.push_back(timestep);
    pairs.push_back(timestep + double(half_step));
  }
  pairs.pop_back();
  std::vector<double> twice;
  for (const auto timestep : pairs) twice.insert(twice.end(), 2, timestep);
  return {twice.rbegin() + 1, twice.rend() - 1};
}

}  // namespace

PNDMScheduler::PNDMScheduler(PNDMSchedulerConfig config)
    : NoiseScheduler(make_alphas_cumprod(kPndmPlace, checked(kPndmPlace, config))),
      config_(std::move(config)),
      final_alpha_cumprod_(config_.set_alpha_to_one ? at::scalar_tensor(1.0, at::kFloat)
                                                    : element(alphas_cumprod_, 0)) {}

int64_t PNDMScheduler::prk_steps() const {
  return config_.skip_prk_steps ? 0 : 4 * (kPndmOrder - 1);
}

Schedule PNDMScheduler::schedule(const ScheduleOptions& options) const {
  check_taken(*this, options);
  const auto steps = steps_of(kPndmPlace, config_, options);
  if (!config_.skip_prk_steps) check_at_least(kPndmPlace, "num_inference_steps", steps, kPndmOrder);
  auto timesteps = spaced_timesteps(config_, steps);
  round_all(timesteps);
  if (config_.skip_prk_steps) {
    // The second step is taken twice, to make up for the first one.
    if (steps > 1) timesteps.insert(timesteps.begin() + 1, timesteps[1]);
  } else {
    auto all = prk_timesteps(timesteps, config_.num_train_timesteps / steps / 2);
    all.insert(all.end(), timesteps.begin() + 3, timesteps.end());
    timesteps = std::move(all);
  }
  auto result = whole_schedule(timesteps, options.device);
  result.num_inference_steps = steps;
  return result;
}

at::Tensor PNDMScheduler::previous_sample(const at::Tensor& sample, int64_t timestep,
                                          int64_t previous_timestep,
                                          const at::Tensor& model_output) const {
  const auto alpha = element(alphas_cumprod_, timestep);
  const auto previous_alpha =
      previous_timestep >= 0 ? element(alphas_cumprod_, previous_timestep) : final_alpha_cumprod_;
  const auto beta = 1 - alpha, previous_beta = 1 - previous_alpha;
  const auto epsilon =
      predicted_epsilon(config_.prediction_type, model_output, sample, root(alpha), root(beta));
  const auto divisor = alpha * root(previous_beta) + root(alpha * beta * previous_alpha);
  return root(previous_alpha / alpha) * sample - (previous_alpha - alpha) * epsilon / divisor;
}

at::Tensor PNDMScheduler::step_prk(const Schedule& schedule, const at::Tensor& model_output,
                                   int64_t count, int64_t timestep, const at::Tensor& sample,
                                   SchedulerState& state) const {
  const auto half = config_.num_train_timesteps / schedule.num_inference_steps / 2;
  const auto previous = timestep - (count % 2 == 1 ? 0 : half);
  const auto from = schedule.timesteps[count / 4 * 4].item<int64_t>();
  const auto part = [&](double weight) {
    return state.sum.defined() ? state.sum + weight * model_output : weight * model_output;
  };
  auto output = model_output;
  switch (count % 4) {
    case 0:
      state.sum = part(1.0 / 6);
      state.outputs.push_back(model_output);
      state.sample = sample;
      break;
    case 3:
      output = part(1.0 / 6);
      state.sum = at::Tensor();
      break;
    default:
      state.sum = part(1.0 / 3);
  }
  return previous_sample(state.sample.defined() ? state.sample : sample, from, previous, output);
}

at::Tensor PNDMScheduler::step_plms(const Schedule& schedule, const at::Tensor& model_output,
                                    int64_t count, int64_t timestep, const at::Tensor& sample,
                                    SchedulerState& state) const {
  const auto ratio = config_.num_train_timesteps / schedule.num_inference_steps;
  auto& outputs = state.outputs;
  auto previous = timestep - ratio;
  if (count != 1) {
    if (outputs.size() > 3) outputs.erase(outputs.begin(), outputs.end() - 3);
    outputs.push_back(model_output);
  } else {
    previous = timestep;
    timestep += ratio;
  }
  const auto last = [&](size_t i) { return outputs[outputs.size() - i]; };
  auto output = model_output;
  auto from = sample;
  if (outputs.size() == 1 && count == 0) {
    state.sample = sample;
  } else if (outputs.size() == 1 && count == 1) {
    output = (model_output + last(1)) / 2;
    from = state.sample;
    state.sample = at::Tensor();
  } else if (outputs.size() == 2) {
    output = (3 * last(1) - last(2)) / 2;
  } else if (outputs.size() == 3) {
    output = (23 * last(1) - 16 * last(2) + 5 * last(3)) / 12;
  } else {
    output = 1.0 / 24 * (55 * last(1) - 59 * last(2) + 37 * last(3) - 9 * last(4));
  }
  return previous_sample(from, timestep, previous, output);
}

SchedulerOutput PNDMScheduler::step(const Schedule& schedule, const at::Tensor& model_output,
                                    int64_t i, const at::Tensor& sample, SchedulerState& state,
                                    const StepOptions& options) const {
  begin_step(*this, schedule, model_output, i, sample, state, options);
  // The original counts its steps, and begins with 0 wherever the run begins.
  const auto count = i - state.first_step;
  const auto timestep = schedule.timesteps[i].item<int64_t>();
  if (count < prk_steps()) {
    return {step_prk(schedule, model_output, count, timestep, sample, state), {}};
  }
  return {step_plms(schedule, model_output, count, timestep, sample, state), {}};
}

at::Tensor PNDMScheduler::add_noise(const Schedule&, const at::Tensor& original_samples,
                                    const at::Tensor& noise, const at::Tensor& timesteps) const {
  return add_noise_of(kPndmPlace, alphas_cumprod_, original_samples, noise, timesteps);
}

}  // namespace xattn
