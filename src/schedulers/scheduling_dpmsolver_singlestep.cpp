#include "xattn/schedulers/scheduling_dpmsolver_singlestep.h"

#include <ATen/ops/log.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "schedulers/dpm_solver.h"
#include "schedulers/noise_schedule.h"
#include "schedulers/sigmas.h"
#include "schedulers/timesteps.h"

namespace xattn {
namespace {

constexpr auto kDpmSinglestepPlace = "DPMSolverSinglestepScheduler";

DPMAlgorithm singlestep_algorithm(const DPMSolverSinglestepSchedulerConfig& config) {
  return DPMAlgorithm(config.algorithm_type, config.solver_type);
}

/// The order of step `i`: 1, 2, 3 and anew, but 1 at the end of a run that has its last steps
/// lower.
int64_t order_of(const DPMSolverSinglestepSchedulerConfig& config, int64_t steps, int64_t i) {
  const bool lowers = config.lower_order_final || steps % config.solver_order != 0 ||
                      config.final_sigmas_type == "zero";
  const bool is_whole = steps % config.solver_order == 0 || config.final_sigmas_type == "zero";
  return lowers && is_whole && i + 1 == steps ? 1 : i % config.solver_order + 1;
}

}  // namespace

DPMSolverSinglestepScheduler::DPMSolverSinglestepScheduler(
    DPMSolverSinglestepSchedulerConfig config)
    : config_(std::move(config)),
      alphas_cumprod_(make_alphas_cumprod(kDpmSinglestepPlace, config_)) {
  check_spread(kDpmSinglestepPlace, config_);
  const auto algorithm = singlestep_algorithm(config_);
  if (!algorithm.predicts_sample && config_.final_sigmas_type == "zero") {
    throw_value_error(kDpmSinglestepPlace, "final_sigmas_type",
                      "sigma_min, as algorithm_type is " + config_.algorithm_type, "zero");
  }
}

Schedule DPMSolverSinglestepScheduler::schedule(const ScheduleOptions& options) const {
  const auto known = training_sigmas(alphas_cumprod_);
  const bool is_own = !options.timesteps.empty();
  const bool has_spread = is_spread(config_);
  SigmaTable table;
  if (is_own) {
    if (has_spread) {
      throw_value_error(kDpmSinglestepPlace, "timesteps",
                        "none: the config spreads the sigmas itself",
                        std::to_string(options.timesteps.size()));
    }
    table.timesteps = run_timesteps(kDpmSinglestepPlace, config_, {}, options);
  } else {
    const auto steps = steps_of(kDpmSinglestepPlace, config_, options);
    table.timesteps = multistep_timesteps(
        config_, steps, clipped_timesteps(alphas_cumprod_, config_.lambda_min_clipped));
  }
  if (has_spread) {
    table.sigmas =
        spread_sigmas(config_, known.front(), known.back(), *options.num_inference_steps);
    table.timesteps = whole_timesteps_of(table.sigmas, known, config_.use_karras_sigmas);
  } else {
    table.sigmas = interpolate(table.timesteps, known);
  }
  table.sigmas.push_back(config_.final_sigmas_type == "sigma_min" ? known[0] : 0);
  Schedule result;
  result.num_inference_steps = int64_t(table.timesteps.size());
  result.sigmas = at::tensor(table.sigmas, at::kDouble).to(at::kFloat);
  result.timesteps = whole_timesteps(table.timesteps, options.device);
  result.init_noise_sigma = at::scalar_tensor(1.0, at::kFloat);
  return result;
}

SchedulerOutput DPMSolverSinglestepScheduler::step(const Schedule& schedule,
                                                   const at::Tensor& model_output, int64_t i,
                                                   const at::Tensor& sample, SchedulerState& state,
                                                   const StepOptions& options) const {
  begin_step(kDpmSinglestepPlace, schedule, model_output, i, sample, state, options,
             /*knows_eta=*/false);
  const auto algorithm = singlestep_algorithm(config_);
  const auto level = [&](int64_t index) { return DPMLevel(element(schedule.sigmas, index)); };
  auto& outputs = state.outputs;  // the last one first
  outputs.insert(outputs.begin(), converted_output(algorithm, config_.prediction_type, config_,
                                                   model_output, sample, level(i)));
  if (int64_t(outputs.size()) > config_.solver_order) outputs.pop_back();

  // A run may begin in the middle of a step.
  const auto order = std::min(order_of(config_, schedule.size(), i), int64_t(outputs.size()));
  if (order == 1) state.sample = sample;
  std::vector<DPMLevel> levels;
  for (int64_t k = 0; k < order; ++k) levels.push_back(level(i - k));
  const auto noise = algorithm.is_sde
                         ? draw_noise(kDpmSinglestepPlace, outputs[0], options.generators)
                         : at::Tensor();
  return {
      dpm_solver_singlestep_update(algorithm, level(i + 1), levels, outputs, state.sample, noise),
      at::Tensor()};
}

at::Tensor DPMSolverSinglestepScheduler::add_noise(const Schedule& schedule,
                                                   const at::Tensor& original_samples,
                                                   const at::Tensor& noise,
                                                   const at::Tensor& timesteps) const {
  return add_noise_of_levels(kDpmSinglestepPlace, schedule, original_samples, noise, timesteps);
}

}  // namespace xattn
