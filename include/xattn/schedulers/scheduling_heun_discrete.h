#pragma once

#include "xattn/core/export.h"
#include "xattn/schedulers/noise_schedule_config.h"
#include "xattn/schedulers/noise_scheduler.h"

namespace xattn {

/// The options of `HeunDiscreteScheduler`: the keys of its scheduler_config.json.
struct HeunDiscreteSchedulerConfig : NoiseScheduleConfig, SigmaSpreadConfig {
  HeunDiscreteSchedulerConfig() {
    beta_start = 0.00085;
    beta_end = 0.012;
    timestep_spacing = "linspace";
  }

  bool clip_sample = false;
  double clip_sample_range = 1.0;

  template <typename Config, typename Fields>
  static void visit_fields(Config& config, Fields&& fields) {
    fields.label("_class_name", "HeunDiscreteScheduler");
    visit_common(config, fields);
    visit_spread(config, fields);
    fields.choice("beta_schedule", config.beta_schedule, "linear", "scaled_linear",
                  "squaredcos_cap_v2", "exp");
    fields.choice("prediction_type", config.prediction_type, "epsilon", "sample", "v_prediction");
    fields.value("clip_sample", config.clip_sample);
    fields.value("clip_sample_range", config.clip_sample_range);
  }
};

/// Heun's method in σ: a step of Euler's, the slope at its end, and the step again with the mean of
/// both slopes; the model is called twice a step but for the last. arXiv 2206.00364, algorithm 1.
///
/// Reference: diffusers 0.42.1, schedulers/scheduling_heun_discrete.py.
class XATTN_API HeunDiscreteScheduler : public SigmaScheduler {
 public:
  explicit HeunDiscreteScheduler(HeunDiscreteSchedulerConfig config = {});

  std::string class_name() const override { return "HeunDiscreteScheduler"; }
  int64_t order() const override { return 2; }
  TakenOptions takes() const override { return {.timesteps = true}; }
  const HeunDiscreteSchedulerConfig& config() const { return config_; }

  Schedule schedule(const ScheduleOptions& options) const override;
  SchedulerOutput step(const Schedule& schedule, const at::Tensor& model_output, int64_t i,
                       const at::Tensor& sample, SchedulerState& state,
                       const StepOptions& options = {}) const override;

 private:
  HeunDiscreteSchedulerConfig config_;
};

}  // namespace xattn
