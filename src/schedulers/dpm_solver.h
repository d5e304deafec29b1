#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <string_view>
#include <vector>

#include "xattn/schedulers/noise_schedule_config.h"
#include "xattn/schedulers/scheduler.h"

namespace xattn {

/// A noise level as DPM-Solver has it: α = 1 / √(σ² + 1), σ · α, and λ = log α − log σ.
struct DPMLevel {
  explicit DPMLevel(const at::Tensor& sigma);

  at::Tensor alpha, sigma, lambda;
};

/// What kind of solver takes a step.
struct DPMAlgorithm {
  explicit DPMAlgorithm(const std::string& algorithm_type, const std::string& solver_type);

  /// Whether it works with x₀ ("++") or with ε.
  bool predicts_sample;
  bool is_sde;
  bool is_heun;
};

/// What a step works with, out of the model's output at a sample with that noise.
at::Tensor converted_output(const DPMAlgorithm& algorithm, const std::string& prediction_type,
                            const ThresholdConfig& threshold, const at::Tensor& model_output,
                            const at::Tensor& sample, const DPMLevel& level);

/// One step to the level `to`, by the outputs at as many levels as the order is, the last one
/// first; `noise` is there for stochastic ones.
at::Tensor dpm_solver_update(const DPMAlgorithm& algorithm, const DPMLevel& to,
                             const std::vector<DPMLevel>& from,
                             const std::vector<at::Tensor>& outputs, const at::Tensor& sample,
                             const at::Tensor& noise);

/// As `dpm_solver_update`, but from the oldest of the levels, where the sample was `sample`.
at::Tensor dpm_solver_singlestep_update(const DPMAlgorithm& algorithm, const DPMLevel& to,
                                        const std::vector<DPMLevel>& from,
                                        const std::vector<at::Tensor>& outputs,
                                        const at::Tensor& sample, const at::Tensor& noise);

/// The levels of the schedule from `last` back, the last one first.
std::vector<DPMLevel> levels_of(const Schedule& schedule, int64_t last, int64_t count);

/// Puts an output in front of those that the run remembers, and forgets what is more than `most`.
void remember(SchedulerState& state, const at::Tensor& output, int64_t most);

/// Throws `ValueError` where a solver that works with ε would end without noise, which it divides
/// by.
void check_final_sigmas(std::string_view place, const std::string& algorithm_type,
                        const std::string& final_sigmas_type);

}  // namespace xattn
