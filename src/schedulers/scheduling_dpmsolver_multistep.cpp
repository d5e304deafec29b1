#include "xattn/schedulers/scheduling_dpmsolver_multistep.h"

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

constexpr auto kDpmMultistepPlace = "DPMSolverMultistepScheduler";

DPMAlgorithm algorithm_of(const DPMSolverMultistepSchedulerConfig& config) {
  return DPMAlgorithm(config.algorithm_type, config.solver_type);
}

}  // namespace

DPMSolverMultistepScheduler::DPMSolverMultistepScheduler(DPMSolverMultistepSchedulerConfig config)
    : config_(std::move(config)),
      alphas_cumprod_(make_alphas_cumprod(kDpmMultistepPlace, config_,
                                          config_.rescale_betas_zero_snr, kTerminalAlpha)) {
  check_spread(kDpmMultistepPlace, config_);
  const auto algorithm = algorithm_of(config_);
  if (!algorithm.predicts_sample && config_.final_sigmas_type == "zero") {
    throw_value_error(kDpmMultistepPlace, "final_sigmas_type",
                      "sigma_min, as algorithm_type is " + config_.algorithm_type, "zero");
  }
  if (algorithm.is_sde && !algorithm.predicts_sample && config_.solver_order == 3) {
    throw_value_error(kDpmMultistepPlace, "solver_order",
                      "1 or 2, as algorithm_type is " + config_.algorithm_type, "3");
  }
}

Schedule DPMSolverMultistepScheduler::schedule(const ScheduleOptions& options) const {
  const auto known = training_sigmas(alphas_cumprod_);
  const bool is_own = !options.timesteps.empty();
  const bool has_spread = is_spread(config_) || config_.use_lu_lambdas;
  SigmaTable table;
  if (is_own) {
    if (has_spread) {
      throw_value_error(kDpmMultistepPlace, "timesteps",
                        "none: the config spreads the sigmas itself",
                        std::to_string(options.timesteps.size()));
    }
    table.timesteps = run_timesteps(kDpmMultistepPlace, config_, {}, options);
  } else {
    const auto steps = steps_of(kDpmMultistepPlace, config_, options);
    table.timesteps = multistep_timesteps(
        config_, steps, clipped_timesteps(alphas_cumprod_, config_.lambda_min_clipped));
  }
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
  Schedule result;
  result.num_inference_steps = int64_t(table.timesteps.size());
  result.sigmas = at::tensor(table.sigmas, at::kDouble).to(at::kFloat);
  result.timesteps = whole_timesteps(table.timesteps, options.device);
  result.init_noise_sigma = at::scalar_tensor(1.0, at::kFloat);
  return result;
}

SchedulerOutput DPMSolverMultistepScheduler::step(const Schedule& schedule,
                                                  const at::Tensor& model_output, int64_t i,
                                                  const at::Tensor& sample, SchedulerState& state,
                                                  const StepOptions& options) const {
  begin_step(kDpmMultistepPlace, schedule, model_output, i, sample, state, options,
             /*knows_eta=*/false);
  const auto algorithm = algorithm_of(config_);
  const auto level = [&](int64_t index) { return DPMLevel(element(schedule.sigmas, index)); };
  auto& outputs = state.outputs;  // the last one first
  outputs.insert(outputs.begin(), converted_output(algorithm, config_.prediction_type, config_,
                                                   model_output, sample, level(i)));
  if (int64_t(outputs.size()) > config_.solver_order) outputs.pop_back();

  auto order = int64_t(outputs.size());
  const auto left = schedule.size() - i;
  const bool is_short = config_.lower_order_final && schedule.size() < 15;
  if (left == 1 && (config_.euler_at_final || is_short || config_.final_sigmas_type == "zero")) {
    order = 1;
  } else if (left == 2 && is_short) {
    order = std::min<int64_t>(order, 2);
  }
  std::vector<DPMLevel> levels;
  for (int64_t k = 0; k < order; ++k) levels.push_back(level(i - k));
  const auto noise = algorithm.is_sde ? draw_noise(kDpmMultistepPlace, outputs[0].to(at::kFloat),
                                                   options.generators)
                                      : at::Tensor();
  const auto previous =
      dpm_solver_update(algorithm, level(i + 1), levels, outputs, sample.to(at::kFloat), noise);
  return {previous.to(outputs[0].scalar_type()), at::Tensor()};
}

at::Tensor DPMSolverMultistepScheduler::add_noise(const Schedule& schedule,
                                                  const at::Tensor& original_samples,
                                                  const at::Tensor& noise,
                                                  const at::Tensor& timesteps) const {
  return add_noise_of_levels(kDpmMultistepPlace, schedule, original_samples, noise, timesteps);
}

}  // namespace xattn
