#pragma once

#include "xattn/core/export.h"
#include "xattn/schedulers/noise_schedule_config.h"
#include "xattn/schedulers/noise_scheduler.h"

namespace xattn {

/// The options of `DEISMultistepScheduler`: the keys of its scheduler_config.json.
struct DEISMultistepSchedulerConfig : NoiseScheduleConfig, ThresholdConfig, SigmaSpreadConfig {
  DEISMultistepSchedulerConfig() {
    timestep_spacing = "linspace";
    clip_sample = false;
  }

  /// 1 to 3: how many of the last outputs a step uses.
  int64_t solver_order = 2;
  /// Whether the last steps of a run of less than 15 use fewer outputs.
  bool lower_order_final = true;

  template <typename Config, typename Fields>
  static void visit_fields(Config& config, Fields&& fields) {
    fields.label("_class_name", "DEISMultistepScheduler");
    visit_common(config, fields);
    visit_thresholding(config, fields);
    visit_spread(config, fields);
    fields.choice("beta_schedule", config.beta_schedule, "linear", "scaled_linear",
                  "squaredcos_cap_v2");
    fields.choice("prediction_type", config.prediction_type, "epsilon", "sample", "v_prediction");
    fields.in_range("solver_order", config.solver_order, 1, 3);
    // The others are those of relatives whose options may be used here too: DEIS has only one.
    fields.constant("algorithm_type", "deis", "dpmsolver", "dpmsolver++");
    fields.constant("solver_type", "logrho", "midpoint", "heun", "bh1", "bh2");
    fields.value("lower_order_final", config.lower_order_final);
    fields.only("use_flow_sigmas", nullptr, false);
    fields.only("use_dynamic_shifting", false);
    static constexpr const char* kFlow[] = {"flow_shift", "time_shift_type"};
    fields.without_effect(kFlow);
  }
};

/// Diffusion exponential integrator sampler of order 1 to 3, with polynomials in log ρ, ρ = σ / α;
/// arXiv 2204.13902.
///
/// It does not say what the picture would be: `pred_original_sample` is undefined.
///
/// Reference: diffusers 0.42.1, schedulers/scheduling_deis_multistep.py.
class XATTN_API DEISMultistepScheduler : public SolverScheduler {
 public:
  explicit DEISMultistepScheduler(DEISMultistepSchedulerConfig config = {});

  std::string class_name() const override { return "DEISMultistepScheduler"; }
  const DEISMultistepSchedulerConfig& config() const { return config_; }

  Schedule schedule(const ScheduleOptions& options) const override;
  SchedulerOutput step(const Schedule& schedule, const at::Tensor& model_output, int64_t i,
                       const at::Tensor& sample, SchedulerState& state,
                       const StepOptions& options = {}) const override;

 private:
  DEISMultistepSchedulerConfig config_;
};

}  // namespace xattn
