#pragma once

#include "xattn/core/export.h"
#include "xattn/schedulers/noise_schedule_config.h"
#include "xattn/schedulers/scheduler.h"

namespace xattn {

/// The options of `FlowMatchEulerDiscreteScheduler`: the keys of its scheduler_config.json.
struct FlowMatchEulerDiscreteSchedulerConfig : SigmaSpreadConfig {
  int64_t num_train_timesteps = 1000;
  /// Above 1: more of the steps where there is much noise, σ' = s σ / (1 + (s − 1) σ).
  double shift = 1.0;
  /// Whether a run is shifted by its own μ in place of `shift`.
  bool use_dynamic_shifting = false;
  /// What `shift_for` lies between: μ for the sequences of pictures of these lengths.
  std::optional<double> base_shift = 0.5, max_shift = 1.15;
  int64_t base_image_seq_len = 256;
  int64_t max_image_seq_len = 4096;
  /// Whether the sigmas are 1 − σ and end with 1, for a model that counts the other way.
  bool invert_sigmas = false;
  /// The least sigma of a run, to which its shifted ones are stretched; none and 0 for no such end.
  std::optional<double> shift_terminal;
  /// "exponential" or "linear": σ' = f / (f + 1 / σ − 1) with f = e^μ or μ.
  std::string time_shift_type = "exponential";
  /// Whether each step goes to the picture, and back to the next sigma with fresh noise.
  bool stochastic_sampling = false;

  template <typename Config, typename Fields>
  static void visit_fields(Config& config, Fields&& fields) {
    fields.label("_class_name", "FlowMatchEulerDiscreteScheduler");
    constexpr int64_t kMost = 1'000'000'000;
    fields.in_range("num_train_timesteps", config.num_train_timesteps, 1, 1'000'000);
    fields.value("shift", config.shift);
    fields.value("use_dynamic_shifting", config.use_dynamic_shifting);
    fields.value("base_shift", config.base_shift);
    fields.value("max_shift", config.max_shift);
    fields.in_range("base_image_seq_len", config.base_image_seq_len, 1, kMost);
    fields.in_range("max_image_seq_len", config.max_image_seq_len, 1, kMost);
    fields.value("invert_sigmas", config.invert_sigmas);
    fields.value("shift_terminal", config.shift_terminal);
    visit_spread(config, fields);
    fields.choice("time_shift_type", config.time_shift_type, "exponential", "linear");
    fields.value("stochastic_sampling", config.stochastic_sampling);
  }
};

/// Euler's method for models of flow matching, whose samples are (1 − σ) · picture + σ · noise and
/// which predict noise − picture: x_{i+1} = x_i + (σ_{i+1} − σ_i) · v, arXiv 2403.03206.
///
/// Timesteps are σ · num_train_timesteps, float32. A run is made of a number of steps, or of sigmas
/// from 1 to 0 (to which 0 is added), of timesteps, or of as many of both. Sigmas and timesteps are
/// shifted as the config says, except that timesteps of the caller's stay what the model is given.
///
/// `add_noise` is the original's `scale_noise`. Its timesteps of each token are not there. It does
/// not say what the picture would be: `pred_original_sample` is undefined. Computes in float32, and
/// returns the dtype of the model's output.
///
/// Throws: `ValueError` for a `mu` where the config does not shift by it, and for none where it
/// does.
///
/// Reference: diffusers 0.42.1, schedulers/scheduling_flow_match_euler_discrete.py.
class XATTN_API FlowMatchEulerDiscreteScheduler : public Scheduler {
 public:
  explicit FlowMatchEulerDiscreteScheduler(FlowMatchEulerDiscreteSchedulerConfig config = {});

  int64_t num_train_timesteps() const override { return config_.num_train_timesteps; }
  std::string class_name() const override { return "FlowMatchEulerDiscreteScheduler"; }
  TakenOptions takes() const override {
    return {
        .timesteps = true, .sigmas = true, .mu = config_.use_dynamic_shifting, .generators = true};
  }
  const FlowMatchEulerDiscreteSchedulerConfig& config() const { return config_; }

  /// μ of pictures that are sequences of this length: on the line through the config's two lengths.
  ///
  /// Throws: `ValueError` where the config has no `base_shift` or `max_shift`, or one length twice.
  double shift_for(int64_t image_seq_len) const;

  Schedule schedule(const ScheduleOptions& options) const override;
  SchedulerOutput step(const Schedule& schedule, const at::Tensor& model_output, int64_t i,
                       const at::Tensor& sample, SchedulerState& state,
                       const StepOptions& options = {}) const override;
  at::Tensor add_noise(const Schedule& schedule, const at::Tensor& original_samples,
                       const at::Tensor& noise, const at::Tensor& timesteps) const override;
  at::Tensor add_noise_at(const Schedule& schedule, const at::Tensor& original_samples,
                          const at::Tensor& noise, int64_t i) const override;

 private:
  FlowMatchEulerDiscreteSchedulerConfig config_;
};

}  // namespace xattn
