#pragma once

#include "xattn/core/export.h"
#include "xattn/schedulers/noise_schedule_config.h"
#include "xattn/schedulers/noise_scheduler.h"

namespace xattn {

/// The options of `DDIMScheduler`: the keys of its scheduler_config.json.
struct DDIMSchedulerConfig : NoiseScheduleConfig, ThresholdConfig {
  /// Whether the last step ends without any noise, or with that of the first timestep.
  bool set_alpha_to_one = true;
  bool rescale_betas_zero_snr = false;

  template <typename Config, typename Fields>
  static void visit_fields(Config& config, Fields&& fields) {
    fields.label("_class_name", "DDIMScheduler");
    visit_common(config, fields);
    visit_threshold(config, fields);
    fields.choice("beta_schedule", config.beta_schedule, "linear", "scaled_linear",
                  "squaredcos_cap_v2");
    fields.choice("prediction_type", config.prediction_type, "epsilon", "sample", "v_prediction");
    fields.value("set_alpha_to_one", config.set_alpha_to_one);
    fields.value("rescale_betas_zero_snr", config.rescale_betas_zero_snr);
  }
};

/// Denoising diffusion implicit models: x_{t−1} = √ᾱ_{t−1} · x₀ + √(1 − ᾱ_{t−1} − σ²) · ε + σ ·
/// noise with σ = η · √((1 − ᾱ_{t−1}) / (1 − ᾱ_t) · (1 − ᾱ_t / ᾱ_{t−1})), arXiv 2010.02502,
/// equation 12.
///
/// Reference: diffusers 0.42.1, schedulers/scheduling_ddim.py.
class XATTN_API DDIMScheduler : public AlphaScheduler {
 public:
  explicit DDIMScheduler(DDIMSchedulerConfig config = {});

  std::string class_name() const override { return "DDIMScheduler"; }
  TakenOptions takes() const override { return {.eta = true, .generators = true}; }
  const DDIMSchedulerConfig& config() const { return config_; }

  Schedule schedule(const ScheduleOptions& options) const override;
  SchedulerOutput step(const Schedule& schedule, const at::Tensor& model_output, int64_t i,
                       const at::Tensor& sample, SchedulerState& state,
                       const StepOptions& options = {}) const override;

 private:
  DDIMSchedulerConfig config_;
  at::Tensor final_alpha_cumprod_;
};

}  // namespace xattn
