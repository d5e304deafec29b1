#pragma once

#include "xattn/core/export.h"
#include "xattn/schedulers/noise_schedule_config.h"
#include "xattn/schedulers/noise_scheduler.h"

namespace xattn {

/// The options of `LCMScheduler`: the keys of its scheduler_config.json.
struct LCMSchedulerConfig : NoiseScheduleConfig, ThresholdConfig {
  LCMSchedulerConfig() {
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
    fields.label("_class_name", "LCMScheduler");
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

/// Latent consistency models: each step goes to the picture,
/// c_out · x₀ + c_skip · x_t with c_skip = σ² / (s² + σ²), c_out = s / √(s² + σ²), σ = 1/2 and
/// s = t · timestep_scaling, and back to the noise of the next timestep; arXiv 2310.04378.
///
/// Reference: diffusers 0.42.1, schedulers/scheduling_lcm.py.
class XATTN_API LCMScheduler : public AlphaScheduler {
 public:
  explicit LCMScheduler(LCMSchedulerConfig config = {});

  std::string class_name() const override { return "LCMScheduler"; }
  TakenOptions takes() const override {
    return {.timesteps = true, .original_inference_steps = true, .generators = true};
  }
  const LCMSchedulerConfig& config() const { return config_; }

  Schedule schedule(const ScheduleOptions& options) const override;
  SchedulerOutput step(const Schedule& schedule, const at::Tensor& model_output, int64_t i,
                       const at::Tensor& sample, SchedulerState& state,
                       const StepOptions& options = {}) const override;

 private:
  LCMSchedulerConfig config_;
};

}  // namespace xattn
