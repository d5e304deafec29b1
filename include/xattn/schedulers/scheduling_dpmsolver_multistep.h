#pragma once

#include <limits>

#include "xattn/core/export.h"
#include "xattn/schedulers/noise_schedule_config.h"
#include "xattn/schedulers/noise_scheduler.h"

namespace xattn {

/// The options of `DPMSolverMultistepScheduler`: the keys of its scheduler_config.json.
struct DPMSolverMultistepSchedulerConfig : NoiseScheduleConfig, ThresholdConfig, SigmaSpreadConfig {
  DPMSolverMultistepSchedulerConfig() {
    timestep_spacing = "linspace";
    clip_sample = false;
  }

  /// 1 to 3: how many of the last outputs a step uses.
  int64_t solver_order = 2;
  /// "dpmsolver++" or "dpmsolver"; with "sde-" in front each step adds noise.
  std::string algorithm_type = "dpmsolver++";
  /// "midpoint" or "heun", for order 2.
  std::string solver_type = "midpoint";
  /// Whether the last steps of a run of less than 15 use fewer outputs.
  bool lower_order_final = true;
  /// Whether the last step is one of Euler's.
  bool euler_at_final = false;
  /// Whether the sigmas are spread evenly in λ = log(α / σ).
  bool use_lu_lambdas = false;
  /// "zero" or "sigma_min": the noise that is left at the end.
  std::string final_sigmas_type = "zero";
  /// Timesteps whose λ is below are left out.
  double lambda_min_clipped = -std::numeric_limits<double>::infinity();
  bool rescale_betas_zero_snr = false;

  template <typename Config, typename Fields>
  static void visit_fields(Config& config, Fields&& fields) {
    fields.label("_class_name", "DPMSolverMultistepScheduler");
    visit_common(config, fields);
    visit_thresholding(config, fields);
    visit_spread(config, fields);
    fields.choice("beta_schedule", config.beta_schedule, "linear", "scaled_linear",
                  "squaredcos_cap_v2");
    fields.choice("prediction_type", config.prediction_type, "epsilon", "sample", "v_prediction");
    fields.in_range("solver_order", config.solver_order, 1, 3);
    fields.choice("algorithm_type", config.algorithm_type, "dpmsolver", "dpmsolver++",
                  "sde-dpmsolver", "sde-dpmsolver++");
    // The others are those of relatives whose options may be used here too.
    fields.choice("solver_type", config.solver_type, "midpoint", "heun", "logrho", "bh1", "bh2");
    fields.value("lower_order_final", config.lower_order_final);
    fields.value("euler_at_final", config.euler_at_final);
    fields.null_is_default("use_lu_lambdas", config.use_lu_lambdas);
    fields.choice("final_sigmas_type", config.final_sigmas_type, "zero", "sigma_min");
    fields.value("lambda_min_clipped", config.lambda_min_clipped);
    fields.value("rescale_betas_zero_snr", config.rescale_betas_zero_snr);
    fields.only("use_flow_sigmas", nullptr, false);
    fields.only("use_dynamic_shifting", false);
    fields.only("variance_type", nullptr);
    static constexpr const char* kFlow[] = {"flow_shift", "time_shift_type"};
    fields.without_effect(kFlow);
  }
};

/// DPM-Solver and DPM-Solver++ of order 1 to 3 in λ = log(α / σ), by the last steps' outputs; arXiv
/// 2206.00927 and 2211.01095.
///
/// It does not say what the picture would be: `pred_original_sample` is undefined. Computes in
/// float32, and returns the dtype of the model's output.
///
/// Reference: diffusers 0.42.1, schedulers/scheduling_dpmsolver_multistep.py.
class XATTN_API DPMSolverMultistepScheduler : public SolverScheduler {
 public:
  explicit DPMSolverMultistepScheduler(DPMSolverMultistepSchedulerConfig config = {});

  std::string class_name() const override { return "DPMSolverMultistepScheduler"; }
  TakenOptions takes() const override { return {.timesteps = true, .generators = true}; }
  const DPMSolverMultistepSchedulerConfig& config() const { return config_; }

  Schedule schedule(const ScheduleOptions& options) const override;
  SchedulerOutput step(const Schedule& schedule, const at::Tensor& model_output, int64_t i,
                       const at::Tensor& sample, SchedulerState& state,
                       const StepOptions& options = {}) const override;

 private:
  DPMSolverMultistepSchedulerConfig config_;
};

}  // namespace xattn
