#include "xattn/schedulers/scheduling_dpmsolver_singlestep.h"

#include <ATen/ops/log.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "schedulers/checked_config.h"
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
    : SolverScheduler(
          make_alphas_cumprod(kDpmSinglestepPlace, checked(kDpmSinglestepPlace, config))),
      config_(std::move(config)) {
  check_final_sigmas(kDpmSinglestepPlace, config_.algorithm_type, config_.final_sigmas_type);
}

Schedule DPMSolverSinglestepScheduler::schedule(const ScheduleOptions& options) const {
  check_taken(*this, options);
  const auto known = training_sigmas(alphas_cumprod_);
  SigmaTable table;
  table.timesteps = solver_timesteps(kDpmSinglestepPlace, config_, alphas_cumprod_,
                                     config_.lambda_min_clipped, is_spread(config_), options);
  if (is_spread(config_)) {
    table.sigmas =
        spread_sigmas(config_, known.front(), known.back(), *options.num_inference_steps);
    table.timesteps = whole_timesteps_of(table.sigmas, known, config_.use_karras_sigmas);
  } else {
    table.sigmas = interpolate(table.timesteps, known);
  }
  table.sigmas.push_back(config_.final_sigmas_type == "sigma_min" ? known[0] : 0);
  return solver_schedule(table, options.device);
}

SchedulerOutput DPMSolverSinglestepScheduler::step(const Schedule& schedule,
                                                   const at::Tensor& model_output, int64_t i,
                                                   const at::Tensor& sample, SchedulerState& state,
                                                   const StepOptions& options) const {
  begin_step(*this, schedule, model_output, i, sample, state, options);
  const auto algorithm = singlestep_algorithm(config_);
  const auto level = [&](int64_t index) { return DPMLevel(element(schedule.sigmas, index)); };
  const auto& outputs = state.outputs;
  remember(
      state,
      converted_output(algorithm, config_.prediction_type, config_, model_output, sample, level(i)),
      config_.solver_order);

  // A run may begin in the middle of a step.
  const auto order = std::min(order_of(config_, schedule.size(), i), int64_t(outputs.size()));
  if (order == 1) state.sample = sample;
  const auto levels = levels_of(schedule, i, order);
  const auto noise = algorithm.is_sde
                         ? draw_noise(kDpmSinglestepPlace, outputs[0], options.generators)
                         : at::Tensor();
  return {
      dpm_solver_singlestep_update(algorithm, level(i + 1), levels, outputs, state.sample, noise),
      at::Tensor()};
}

}  // namespace xattn
