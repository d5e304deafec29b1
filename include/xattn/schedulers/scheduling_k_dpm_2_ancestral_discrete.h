#pragma once

#include "xattn/core/export.h"
#include "xattn/schedulers/noise_schedule_config.h"
#include "xattn/schedulers/noise_scheduler.h"

namespace xattn {

/// The options of `KDPM2AncestralDiscreteScheduler`: the keys of its scheduler_config.json.
struct KDPM2AncestralDiscreteSchedulerConfig : NoiseScheduleConfig, SigmaSpreadConfig {
  KDPM2AncestralDiscreteSchedulerConfig() {
    beta_start = 0.00085;
    beta_end = 0.012;
    timestep_spacing = "linspace";
  }

  template <typename Config, typename Fields>
  static void visit_fields(Config& config, Fields&& fields) {
    fields.label("_class_name", "KDPM2AncestralDiscreteScheduler");
    visit_common(config, fields);
    visit_spread(config, fields);
    fields.choice("beta_schedule", config.beta_schedule, "linear", "scaled_linear",
                  "squaredcos_cap_v2");
    fields.choice("prediction_type", config.prediction_type, "epsilon", "v_prediction");
  }
};

/// DPM-Solver-2 to less noise than the next level has, and fresh noise up to it, as
/// `EulerAncestralDiscreteScheduler` does; the model is called twice a step but for the last.
///
/// Reference: diffusers 0.42.1, schedulers/scheduling_k_dpm_2_ancestral_discrete.py.
class XATTN_API KDPM2AncestralDiscreteScheduler : public SigmaScheduler {
 public:
  explicit KDPM2AncestralDiscreteScheduler(KDPM2AncestralDiscreteSchedulerConfig config = {});

  std::string class_name() const override { return "KDPM2AncestralDiscreteScheduler"; }
  int64_t order() const override { return 2; }
  TakenOptions takes() const override { return {.generators = true}; }
  const KDPM2AncestralDiscreteSchedulerConfig& config() const { return config_; }

  Schedule schedule(const ScheduleOptions& options) const override;
  at::Tensor scale_model_input(const Schedule& schedule, const at::Tensor& sample,
                               int64_t i) const override;
  SchedulerOutput step(const Schedule& schedule, const at::Tensor& model_output, int64_t i,
                       const at::Tensor& sample, SchedulerState& state,
                       const StepOptions& options = {}) const override;

 private:
  KDPM2AncestralDiscreteSchedulerConfig config_;
};

}  // namespace xattn
