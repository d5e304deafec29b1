#pragma once

#include "xattn/core/export.h"
#include "xattn/schedulers/noise_schedule_config.h"
#include "xattn/schedulers/noise_scheduler.h"

namespace xattn {

/// The options of `EulerAncestralDiscreteScheduler`: the keys of its scheduler_config.json.
struct EulerAncestralDiscreteSchedulerConfig : NoiseScheduleConfig {
  EulerAncestralDiscreteSchedulerConfig() { timestep_spacing = "linspace"; }

  bool rescale_betas_zero_snr = false;

  template <typename Config, typename Fields>
  static void visit_fields(Config& config, Fields&& fields) {
    fields.label("_class_name", "EulerAncestralDiscreteScheduler");
    visit_common(config, fields);
    fields.choice("beta_schedule", config.beta_schedule, "linear", "scaled_linear",
                  "squaredcos_cap_v2");
    fields.choice("prediction_type", config.prediction_type, "epsilon", "v_prediction");
    fields.value("rescale_betas_zero_snr", config.rescale_betas_zero_snr);
  }
};

/// Euler's method to less noise than the next level has, and fresh noise up to it:
/// σ_up² = σ_{i+1}² (σ_i² − σ_{i+1}²) / σ_i², σ_down² = σ_{i+1}² − σ_up².
///
/// Computes in float32, and returns the dtype of the model's output.
///
/// Reference: diffusers 0.42.1, schedulers/scheduling_euler_ancestral_discrete.py.
class XATTN_API EulerAncestralDiscreteScheduler : public SigmaScheduler {
 public:
  explicit EulerAncestralDiscreteScheduler(EulerAncestralDiscreteSchedulerConfig config = {});

  std::string class_name() const override { return "EulerAncestralDiscreteScheduler"; }
  TakenOptions takes() const override { return {.generators = true}; }
  const EulerAncestralDiscreteSchedulerConfig& config() const { return config_; }

  Schedule schedule(const ScheduleOptions& options) const override;
  SchedulerOutput step(const Schedule& schedule, const at::Tensor& model_output, int64_t i,
                       const at::Tensor& sample, SchedulerState& state,
                       const StepOptions& options = {}) const override;

 private:
  EulerAncestralDiscreteSchedulerConfig config_;
};

}  // namespace xattn
