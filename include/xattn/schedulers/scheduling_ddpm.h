#pragma once

#include <optional>
#include <string>

#include "xattn/core/export.h"
#include "xattn/schedulers/noise_schedule_config.h"
#include "xattn/schedulers/noise_scheduler.h"

namespace xattn {

/// The options of `DDPMScheduler`: the keys of its scheduler_config.json.
struct DDPMSchedulerConfig : NoiseScheduleConfig, ThresholdConfig {
  /// "fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log", "learned" or
  /// "learned_range"; none, as other schedulers' configs have it, is "fixed_small".
  std::optional<std::string> variance_type = "fixed_small";
  bool rescale_betas_zero_snr = false;

  template <typename Config, typename Fields>
  static void visit_fields(Config& config, Fields&& fields) {
    fields.label("_class_name", "DDPMScheduler");
    visit_common(config, fields);
    visit_threshold(config, fields);
    fields.choice("beta_schedule", config.beta_schedule, "linear", "scaled_linear",
                  "squaredcos_cap_v2", "laplace", "sigmoid");
    fields.choice("prediction_type", config.prediction_type, "epsilon", "sample", "v_prediction");
    fields.choice("variance_type", config.variance_type, nullptr, "fixed_small", "fixed_small_log",
                  "fixed_large", "fixed_large_log", "learned", "learned_range");
    fields.value("rescale_betas_zero_snr", config.rescale_betas_zero_snr);
  }
};

/// Denoising diffusion probabilistic models: each step draws from the posterior
/// q(x_{t−1} | x_t, x₀), arXiv 2006.11239, equations 7 and 15.
///
/// Reference: diffusers 0.42.1, schedulers/scheduling_ddpm.py.
class XATTN_API DDPMScheduler : public AlphaScheduler {
 public:
  explicit DDPMScheduler(DDPMSchedulerConfig config = {});

  std::string class_name() const override { return "DDPMScheduler"; }
  TakenOptions takes() const override { return {.timesteps = true, .generators = true}; }
  const DDPMSchedulerConfig& config() const { return config_; }

  Schedule schedule(const ScheduleOptions& options) const override;
  SchedulerOutput step(const Schedule& schedule, const at::Tensor& model_output, int64_t i,
                       const at::Tensor& sample, SchedulerState& state,
                       const StepOptions& options = {}) const override;

 private:
  at::Tensor variance(const at::Tensor& alpha, const at::Tensor& previous_alpha,
                      const at::Tensor& predicted) const;

  DDPMSchedulerConfig config_;
};

}  // namespace xattn
