#pragma once

#include "xattn/core/export.h"
#include "xattn/schedulers/noise_schedule_config.h"
#include "xattn/schedulers/noise_scheduler.h"

namespace xattn {

/// The options of `EulerDiscreteScheduler`: the keys of its scheduler_config.json.
struct EulerDiscreteSchedulerConfig : NoiseScheduleConfig, SigmaSpreadConfig {
  EulerDiscreteSchedulerConfig() { timestep_spacing = "linspace"; }

  /// "linear" or "log_linear": how σ is found between the training's timesteps.
  std::string interpolation_type = "linear";
  /// Where sigmas are spread, in place of the least and the largest of the run.
  std::optional<double> sigma_min, sigma_max;
  /// "discrete", or "continuous" for models of `v_prediction` whose timestep is log(σ) / 4.
  std::string timestep_type = "discrete";
  bool rescale_betas_zero_snr = false;
  /// "zero" or "sigma_min": the noise that is left at the end.
  std::string final_sigmas_type = "zero";

  template <typename Config, typename Fields>
  static void visit_fields(Config& config, Fields&& fields) {
    fields.label("_class_name", "EulerDiscreteScheduler");
    visit_common(config, fields);
    visit_spread(config, fields);
    fields.choice("beta_schedule", config.beta_schedule, "linear", "scaled_linear",
                  "squaredcos_cap_v2");
    fields.choice("prediction_type", config.prediction_type, "epsilon", "v_prediction", "sample",
                  "original_sample");
    fields.choice("interpolation_type", config.interpolation_type, "linear", "log_linear");
    fields.value("sigma_min", config.sigma_min);
    fields.value("sigma_max", config.sigma_max);
    fields.choice("timestep_type", config.timestep_type, "discrete", "continuous");
    fields.value("rescale_betas_zero_snr", config.rescale_betas_zero_snr);
    fields.choice("final_sigmas_type", config.final_sigmas_type, "zero", "sigma_min");
  }
};

/// Euler's method in σ: x_{i+1} = x_i + (σ_{i+1} − σ_i) · (x_i − x₀) / σ_i, and with `s_churn`
/// first some noise more: arXiv 2206.00364, algorithm 2.
///
/// Computes in float32, and returns the dtype of the model's output.
///
/// Reference: diffusers 0.42.1, schedulers/scheduling_euler_discrete.py.
class XATTN_API EulerDiscreteScheduler : public SigmaScheduler {
 public:
  explicit EulerDiscreteScheduler(EulerDiscreteSchedulerConfig config = {});

  std::string class_name() const override { return "EulerDiscreteScheduler"; }
  TakenOptions takes() const override {
    return {.timesteps = true, .sigmas = true, .churn = true, .generators = true};
  }
  const EulerDiscreteSchedulerConfig& config() const { return config_; }

  Schedule schedule(const ScheduleOptions& options) const override;
  SchedulerOutput step(const Schedule& schedule, const at::Tensor& model_output, int64_t i,
                       const at::Tensor& sample, SchedulerState& state,
                       const StepOptions& options = {}) const override;

 private:
  bool is_continuous() const;

  EulerDiscreteSchedulerConfig config_;
};

}  // namespace xattn
