#pragma once

#include "xattn/core/export.h"
#include "xattn/schedulers/noise_schedule_config.h"
#include "xattn/schedulers/scheduler.h"

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
class XATTN_API LMSDiscreteScheduler : public Scheduler {
 public:
  explicit LMSDiscreteScheduler(LMSDiscreteSchedulerConfig config = {});

  std::string class_name() const override { return "LMSDiscreteScheduler"; }
  const LMSDiscreteSchedulerConfig& config() const { return config_; }

  Schedule schedule(const ScheduleOptions& options) const override;
  at::Tensor scale_model_input(const Schedule& schedule, const at::Tensor& sample,
                               int64_t i) const override;
  SchedulerOutput step(const Schedule& schedule, const at::Tensor& model_output, int64_t i,
                       const at::Tensor& sample, SchedulerState& state,
                       const StepOptions& options = {}) const override;
  at::Tensor add_noise(const Schedule& schedule, const at::Tensor& original_samples,
                       const at::Tensor& noise, const at::Tensor& timesteps) const override;

 private:
  LMSDiscreteSchedulerConfig config_;
  at::Tensor alphas_cumprod_;
};

}  // namespace xattn
