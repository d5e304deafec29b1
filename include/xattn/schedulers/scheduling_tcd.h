#pragma once

#include "xattn/core/export.h"
#include "xattn/schedulers/noise_schedule_config.h"
#include "xattn/schedulers/noise_scheduler.h"

namespace xattn {

/// The options of `TCDScheduler`: the keys of its scheduler_config.json.
struct TCDSchedulerConfig : NoiseScheduleConfig, ThresholdConfig {
  TCDSchedulerConfig() {
    beta_start = 0.00085;
    beta_end = 0.012;
    beta_schedule = "scaled_linear";
    clip_sample = false;
  }

  /// The steps of the distillation; a run takes some of them.
  int64_t original_inference_steps = 50;
  /// What timesteps are multiplied with where the boundary condition is computed.
  double timestep_scaling = 10.0;
  /// Of no effect here: each step but the last ends at a timestep.
  bool set_alpha_to_one = true;
  bool rescale_betas_zero_snr = false;

  template <typename Config, typename Fields>
  static void visit_fields(Config& config, Fields&& fields) {
    fields.label("_class_name", "TCDScheduler");
    visit_common(config, fields);
    visit_threshold(config, fields);
    fields.choice("beta_schedule", config.beta_schedule, "linear", "scaled_linear",
                  "squaredcos_cap_v2");
    fields.choice("prediction_type", config.prediction_type, "epsilon", "sample", "v_prediction");
    fields.in_range("original_inference_steps", config.original_inference_steps, 1, 1'000'000);
    fields.value("timestep_scaling", config.timestep_scaling);
    fields.value("set_alpha_to_one", config.set_alpha_to_one);
    fields.value("rescale_betas_zero_snr", config.rescale_betas_zero_snr);
  }
};

/// Trajectory consistency distillation: each step goes to the timestep s = (1 − η) · t_next of the
/// trajectory, and back to the noise of the next timestep; η is 0.3 unless it is given;
/// arXiv 2402.19159.
///
/// Its second result is the sample at s.
///
/// Reference: diffusers 0.42.1, schedulers/scheduling_tcd.py.
class XATTN_API TCDScheduler : public AlphaScheduler {
 public:
  explicit TCDScheduler(TCDSchedulerConfig config = {});

  std::string class_name() const override { return "TCDScheduler"; }
  TakenOptions takes() const override {
    return {.timesteps = true, .original_inference_steps = true, .eta = true, .generators = true};
  }
  const TCDSchedulerConfig& config() const { return config_; }

  Schedule schedule(const ScheduleOptions& options) const override;
  SchedulerOutput step(const Schedule& schedule, const at::Tensor& model_output, int64_t i,
                       const at::Tensor& sample, SchedulerState& state,
                       const StepOptions& options = {}) const override;

 private:
  TCDSchedulerConfig config_;
};

}  // namespace xattn
