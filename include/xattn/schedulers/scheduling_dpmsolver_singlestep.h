#pragma once

#include <limits>

#include "xattn/core/export.h"
#include "xattn/schedulers/noise_schedule_config.h"
#include "xattn/schedulers/noise_scheduler.h"

namespace xattn {

/// The options of `DPMSolverSinglestepScheduler`: the keys of its scheduler_config.json.
struct DPMSolverSinglestepSchedulerConfig : NoiseScheduleConfig,
                                            ThresholdConfig,
                                            SigmaSpreadConfig {
  DPMSolverSinglestepSchedulerConfig() {
    timestep_spacing = "linspace";
    clip_sample = false;
  }

  /// 1 to 3: how many of the last outputs a step uses.
  int64_t solver_order = 2;
  /// "dpmsolver++" or "dpmsolver"; "sde-dpmsolver++" adds noise at each step.
  std::string algorithm_type = "dpmsolver++";
  /// "midpoint" or "heun", for order 2.
  std::string solver_type = "midpoint";
  /// Whether the last steps are of lower order. Taken as true where the steps are no multiple of
  /// the order, or the run ends with no noise.
  bool lower_order_final = false;
  /// "zero" or "sigma_min": the noise that is left at the end.
  std::string final_sigmas_type = "zero";
  /// Timesteps whose λ is below are left out.
  double lambda_min_clipped = -std::numeric_limits<double>::infinity();

  template <typename Config, typename Fields>
  static void visit_fields(Config& config, Fields&& fields) {
    fields.label("_class_name", "DPMSolverSinglestepScheduler");
    visit_betas(config, fields);
    visit_thresholding(config, fields);
    visit_spread(config, fields);
    fields.choice("beta_schedule", config.beta_schedule, "linear", "scaled_linear",
                  "squaredcos_cap_v2");
    fields.choice("prediction_type", config.prediction_type, "epsilon", "sample", "v_prediction");
    fields.in_range("solver_order", config.solver_order, 1, 3);
    fields.choice("algorithm_type", config.algorithm_type, "dpmsolver", "dpmsolver++",
                  "sde-dpmsolver++");
    // The others are those of relatives whose options may be used here too.
    fields.choice("solver_type", config.solver_type, "midpoint", "heun", "logrho", "bh1", "bh2");
    fields.value("lower_order_final", config.lower_order_final);
    fields.choice("final_sigmas_type", config.final_sigmas_type, "zero", "sigma_min");
    fields.value("lambda_min_clipped", config.lambda_min_clipped);
    fields.only("use_flow_sigmas", nullptr, false);
    fields.only("use_dynamic_shifting", false);
    fields.only("variance_type", nullptr);
    static constexpr const char* kFlow[] = {"flow_shift", "time_shift_type"};
    fields.without_effect(kFlow);
  }
};

/// DPM-Solver and DPM-Solver++ of order 1 to 3 in λ = log(α / σ), whose steps of higher order begin
/// anew after each other; arXiv 2206.00927 and 2211.01095.
///
/// It does not say what the picture would be: `pred_original_sample` is undefined.
///
/// Reference: diffusers 0.42.1, schedulers/scheduling_dpmsolver_singlestep.py.
class XATTN_API DPMSolverSinglestepScheduler : public SolverScheduler {
 public:
  explicit DPMSolverSinglestepScheduler(DPMSolverSinglestepSchedulerConfig config = {});

  std::string class_name() const override { return "DPMSolverSinglestepScheduler"; }
  TakenOptions takes() const override { return {.timesteps = true, .generators = true}; }
  const DPMSolverSinglestepSchedulerConfig& config() const { return config_; }

  Schedule schedule(const ScheduleOptions& options) const override;
  SchedulerOutput step(const Schedule& schedule, const at::Tensor& model_output, int64_t i,
                       const at::Tensor& sample, SchedulerState& state,
                       const StepOptions& options = {}) const override;

 private:
  DPMSolverSinglestepSchedulerConfig config_;
};

}  // namespace xattn
