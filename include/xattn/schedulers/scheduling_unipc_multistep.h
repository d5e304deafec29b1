#pragma once

#include "xattn/core/export.h"
#include "xattn/schedulers/noise_schedule_config.h"
#include "xattn/schedulers/noise_scheduler.h"

namespace xattn {

/// The options of `UniPCMultistepScheduler`: the keys of its scheduler_config.json.
struct UniPCMultistepSchedulerConfig : NoiseScheduleConfig, ThresholdConfig, SigmaSpreadConfig {
  UniPCMultistepSchedulerConfig() {
    timestep_spacing = "linspace";
    clip_sample = false;
  }

  /// 1 to 8: how many of the last outputs a step uses. The original advises 2 with guidance, 3
  /// without.
  int64_t solver_order = 2;
  /// Whether the solver works with x₀, or with ε.
  bool predict_x0 = true;
  /// "bh1" (better for few steps without guidance) or "bh2": B(h) = h or eʰ − 1.
  std::string solver_type = "bh2";
  /// Whether the last steps of a run use fewer outputs.
  bool lower_order_final = true;
  /// Steps after which the sample is not corrected.
  std::vector<int64_t> disable_corrector;
  /// Where sigmas are spread, in place of the training's least and largest.
  std::optional<double> sigma_min, sigma_max;
  /// "zero" or "sigma_min": the noise that is left at the end.
  std::string final_sigmas_type = "zero";
  bool rescale_betas_zero_snr = false;

  template <typename Config, typename Fields>
  static void visit_fields(Config& config, Fields&& fields) {
    fields.label("_class_name", "UniPCMultistepScheduler");
    visit_common(config, fields);
    visit_thresholding(config, fields);
    visit_spread(config, fields);
    fields.choice("beta_schedule", config.beta_schedule, "linear", "scaled_linear",
                  "squaredcos_cap_v2");
    fields.choice("prediction_type", config.prediction_type, "epsilon", "sample", "v_prediction");
    fields.in_range("solver_order", config.solver_order, 1, 8);
    fields.value("predict_x0", config.predict_x0);
    // The others are those of relatives whose options may be used here too.
    fields.choice("solver_type", config.solver_type, "bh1", "bh2", "midpoint", "heun", "logrho");
    fields.value("lower_order_final", config.lower_order_final);
    fields.value("disable_corrector", config.disable_corrector);
    fields.value("sigma_min", config.sigma_min);
    fields.value("sigma_max", config.sigma_max);
    fields.choice("final_sigmas_type", config.final_sigmas_type, "zero", "sigma_min");
    fields.value("rescale_betas_zero_snr", config.rescale_betas_zero_snr);
    fields.only("solver_p", nullptr);
    fields.only("shift_terminal", nullptr);
    fields.only("use_flow_sigmas", nullptr, false);
    fields.only("use_dynamic_shifting", false);
    static constexpr const char* kFlow[] = {"flow_shift", "time_shift_type"};
    fields.without_effect(kFlow);
  }
};

/// UniPC: each step's sample is corrected with the model's output there, and the next one is
/// predicted, by the last steps' outputs; arXiv 2302.04867.
///
/// It does not say what the picture would be: `pred_original_sample` is undefined.
///
/// Reference: diffusers 0.42.1, schedulers/scheduling_unipc_multistep.py.
class XATTN_API UniPCMultistepScheduler : public SolverScheduler {
 public:
  explicit UniPCMultistepScheduler(UniPCMultistepSchedulerConfig config = {});

  std::string class_name() const override { return "UniPCMultistepScheduler"; }
  const UniPCMultistepSchedulerConfig& config() const { return config_; }

  Schedule schedule(const ScheduleOptions& options) const override;
  SchedulerOutput step(const Schedule& schedule, const at::Tensor& model_output, int64_t i,
                       const at::Tensor& sample, SchedulerState& state,
                       const StepOptions& options = {}) const override;

 private:
  UniPCMultistepSchedulerConfig config_;
};

}  // namespace xattn
