#pragma once

#include "xattn/core/export.h"
#include "xattn/schedulers/noise_schedule_config.h"
#include "xattn/schedulers/noise_scheduler.h"

namespace xattn {

/// The options of `LMSDiscreteScheduler`: the keys of its scheduler_config.json.
struct LMSDiscreteSchedulerConfig : NoiseScheduleConfig, SigmaSpreadConfig {
  LMSDiscreteSchedulerConfig() { timestep_spacing = "linspace"; }

  template <typename Config, typename Fields>
  static void visit_fields(Config& config, Fields&& fields) {
    fields.label("_class_name", "LMSDiscreteScheduler");
    visit_common(config, fields);
    visit_spread(config, fields);
    fields.choice("beta_schedule", config.beta_schedule, "linear", "scaled_linear",
                  "squaredcos_cap_v2");
    fields.choice("prediction_type", config.prediction_type, "epsilon", "sample", "v_prediction");
  }
};

/// Linear multistep method of order four in σ: the derivatives of the last four steps, each
/// weighted with the integral of its Lagrange polynomial over the step.
///
/// Reference: diffusers 0.42.1, schedulers/scheduling_lms_discrete.py.
class XATTN_API LMSDiscreteScheduler : public SigmaScheduler {
 public:
  explicit LMSDiscreteScheduler(LMSDiscreteSchedulerConfig config = {});

  std::string class_name() const override { return "LMSDiscreteScheduler"; }
  const LMSDiscreteSchedulerConfig& config() const { return config_; }

  Schedule schedule(const ScheduleOptions& options) const override;
  SchedulerOutput step(const Schedule& schedule, const at::Tensor& model_output, int64_t i,
                       const at::Tensor& sample, SchedulerState& state,
                       const StepOptions& options = {}) const override;

 private:
  LMSDiscreteSchedulerConfig config_;
};

}  // namespace xattn
