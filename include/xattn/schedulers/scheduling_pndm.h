#pragma once

#include "xattn/core/export.h"
#include "xattn/schedulers/noise_schedule_config.h"
#include "xattn/schedulers/noise_scheduler.h"

namespace xattn {

/// The options of `PNDMScheduler`: the keys of its scheduler_config.json.
struct PNDMSchedulerConfig : NoiseScheduleConfig {
  /// Whether to begin with linear multistep steps at once, as Stable Diffusion does.
  bool skip_prk_steps = false;
  /// Whether the last step ends without any noise, or with that of the first timestep.
  bool set_alpha_to_one = false;

  template <typename Config, typename Fields>
  static void visit_fields(Config& config, Fields&& fields) {
    fields.label("_class_name", "PNDMScheduler");
    visit_common(config, fields);
    fields.choice("beta_schedule", config.beta_schedule, "linear", "scaled_linear",
                  "squaredcos_cap_v2");
    fields.choice("prediction_type", config.prediction_type, "epsilon", "v_prediction");
    fields.value("skip_prk_steps", config.skip_prk_steps);
    fields.value("set_alpha_to_one", config.set_alpha_to_one);
  }
};

/// Pseudo numerical methods: Runge-Kutta steps to begin with, then linear multistep ones of order
/// four, arXiv 2202.09778.
///
/// It does not say what the picture would be: `pred_original_sample` is undefined.
///
/// Reference: diffusers 0.42.1, schedulers/scheduling_pndm.py.
class XATTN_API PNDMScheduler : public NoiseScheduler {
 public:
  explicit PNDMScheduler(PNDMSchedulerConfig config = {});

  std::string class_name() const override { return "PNDMScheduler"; }
  const PNDMSchedulerConfig& config() const { return config_; }

  Schedule schedule(const ScheduleOptions& options) const override;
  SchedulerOutput step(const Schedule& schedule, const at::Tensor& model_output, int64_t i,
                       const at::Tensor& sample, SchedulerState& state,
                       const StepOptions& options = {}) const override;
  at::Tensor add_noise(const Schedule& schedule, const at::Tensor& original_samples,
                       const at::Tensor& noise, const at::Tensor& timesteps) const override;

 private:
  /// Of the run's own Runge-Kutta timesteps.
  int64_t prk_steps() const;
  at::Tensor step_prk(const Schedule& schedule, const at::Tensor& model_output, int64_t count,
                      int64_t timestep, const at::Tensor& sample, SchedulerState& state) const;
  at::Tensor step_plms(const Schedule& schedule, const at::Tensor& model_output, int64_t count,
                       int64_t timestep, const at::Tensor& sample, SchedulerState& state) const;
  at::Tensor previous_sample(const at::Tensor& sample, int64_t timestep, int64_t previous_timestep,
                             const at::Tensor& model_output) const;

  PNDMSchedulerConfig config_;
  at::Tensor final_alpha_cumprod_;
};

}  // namespace xattn
