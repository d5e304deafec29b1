#include "xattn/schedulers/scheduling_dpmsolver_multistep.h"

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

constexpr auto kDpmMultistepPlace = "DPMSolverMultistepScheduler";

DPMAlgorithm algorithm_of(const DPMSolverMultistepSchedulerConfig& config) {
  return DPMAlgorithm(config.algorithm_type, config.solver_type);
}

}  // namespace

DPMSolverMultistepScheduler::DPMSolverMultistepScheduler(DPMSolverMultistepSchedulerConfig config)
    : SolverScheduler(make_alphas_cumprod(kDpmMultistepPlace, checked(kDpmMultistepPlace, config),
                                          config.rescale_betas_zero_snr, kTerminalAlpha)),
      config_(std::move(config)) {
  const auto algorithm = algorithm_of(config_);
  check_final_sigmas(kDpmMultistepPlace, config_.algorithm_type, config_.final_sigmas_type);
  if (algorithm.is_sde && !algorithm.predicts_sample && config_.solver_order == 3) {
    throw_value_error(kDpmMultistepPlace, "solver_order",
                      "1 or 2, as algorithm_type is " + config_.algorithm_type, "3");
  }
}

Schedule DPMSolverMultistepScheduler::schedule(const ScheduleOptions& options) const {
  check_taken(*this, options);
  const auto known = training_sigmas(alphas_cumprod_);
  const bool has_spread = is_spread(config_) || config_.use_lu_lambdas;
  SigmaTable table;
  table.timesteps = solver_timesteps(kDpmMultistepPlace, config_, alphas_cumprod_,
                                     config_.lambda_min_clipped, has_spread, options);
  if (has_spread) {
    table.sigmas =
        config_.use_lu_lambdas
            ? exponential_sigmas(known.front(), known.back(), *options.num_inference_steps)
            : spread_sigmas(config_, known.front(), known.back(), *options.num_inference_steps);
    const bool is_round = (config_.use_karras_sigmas || config_.use_lu_lambdas) &&
                          config_.beta_schedule != "squaredcos_cap_v2";
    table.timesteps = whole_timesteps_of(table.sigmas, known, is_round);
  } else {
    table.sigmas = interpolate(table.timesteps, known);
  }
  table.sigmas.push_back(config_.final_sigmas_type == "sigma_min" ? known[0] : 0);
  return solver_schedule(table, options.device);
}

SchedulerOutput DPMSolverMultistepScheduler::step(const Schedule& schedule,
                                                  const at::Tensor& model_output, int64_t i,
                                                  const at::Tensor& sample, SchedulerState& state,
                                                  const StepOptions& options) const {
  begin_step(*this, schedule, model_output, i, sample, state, options);
  const auto algorithm = algorithm_of(config_);
  const auto level = [&](int64_t index) { return DPMLevel(element(schedule.sigmas, index)); };
  const auto& outputs = state.outputs;
  remember(
      state,
      converted_output(algorithm, config_.prediction_type, config_, model_output, sample, level(i)),
      config_.solver_order);

  auto order = int64_t(outputs.size());
  const auto left = schedule.size() - i;
  const bool is_short = config_.lower_order_final && schedule.size() < 15;
  if (left == 1 && (config_.euler_at_final || is_short || config_.final_sigmas_type == "zero")) {
    order = 1;
  } else if (left == 2 && is_short) {
    order = std::min<int64_t>(order, 2);
  }
  const auto levels = levels_of(schedule, i, order);
  const auto noise = algorithm.is_sde ? draw_noise(kDpmMultistepPlace, outputs[0].to(at::kFloat),
                                                   options.generators)
                                      : at::Tensor();
  const auto previous =
      dpm_solver_update(algorithm, level(i + 1), levels, outputs, sample.to(at::kFloat), noise);
  return {previous.to(outputs[0].scalar_type()), at::Tensor()};
}

}  // namespace xattn
