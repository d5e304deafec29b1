#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace xattn {

/// What all schedulers of noise-predicting models have in their config: how much noise the model
/// was trained with at each timestep, what it predicts, and how a run's timesteps are chosen.
struct NoiseScheduleConfig {
  int64_t num_train_timesteps = 1000;
  double beta_start = 0.0001;
  double beta_end = 0.02;
  /// "linear", "scaled_linear" or "squaredcos_cap_v2"; DDPM knows "laplace" and "sigmoid" too,
  /// Heun "exp".
  std::string beta_schedule = "linear";
  /// In place of all four above.
  std::optional<std::vector<double>> trained_betas;
  /// "epsilon", "v_prediction" or "sample"; Euler knows "original_sample" for the last too.
  std::string prediction_type = "epsilon";
  /// "linspace", "leading" or "trailing".
  std::string timestep_spacing = "leading";
  /// Added to each timestep where they are "leading".
  int64_t steps_offset = 0;

 protected:
  /// Names the fields above, the first part or all; `fields` has the members of `ConfigFields`.
  template <typename Config, typename Fields>
  static void visit_betas(Config& config, Fields&& fields) {
    constexpr int64_t kMost = 1'000'000;
    fields.in_range("num_train_timesteps", config.num_train_timesteps, 1, kMost);
    fields.value("beta_start", config.beta_start);
    fields.value("beta_end", config.beta_end);
    fields.value("trained_betas", config.trained_betas);
  }
  template <typename Config, typename Fields>
  static void visit_common(Config& config, Fields&& fields) {
    visit_betas(config, fields);
    constexpr int64_t kMost = 1'000'000;
    fields.choice("timestep_spacing", config.timestep_spacing, "linspace", "leading", "trailing");
    fields.in_range("steps_offset", config.steps_offset, 0, kMost);
  }
};

/// Where predictions of the picture are kept in range.
struct ThresholdConfig {
  bool clip_sample = true;
  double clip_sample_range = 1.0;
  /// In place of clipping: a picture's own quantile, from 1 to `sample_max_value`, becomes 1.
  bool thresholding = false;
  double dynamic_thresholding_ratio = 0.995;
  double sample_max_value = 1.0;

 protected:
  template <typename Config, typename Fields>
  static void visit_threshold(Config& config, Fields&& fields) {
    fields.value("clip_sample", config.clip_sample);
    fields.value("clip_sample_range", config.clip_sample_range);
    visit_thresholding(config, fields);
  }
  template <typename Config, typename Fields>
  static void visit_thresholding(Config& config, Fields&& fields) {
    fields.value("thresholding", config.thresholding);
    fields.value("dynamic_thresholding_ratio", config.dynamic_thresholding_ratio);
    fields.value("sample_max_value", config.sample_max_value);
  }
};

/// How the noise levels of a run are spread between the largest and the least: at most one way.
struct SigmaSpreadConfig {
  bool use_karras_sigmas = false;
  bool use_exponential_sigmas = false;
  bool use_beta_sigmas = false;

 protected:
  template <typename Config, typename Fields>
  static void visit_spread(Config& config, Fields&& fields) {
    fields.null_is_default("use_karras_sigmas", config.use_karras_sigmas);
    fields.null_is_default("use_exponential_sigmas", config.use_exponential_sigmas);
    fields.null_is_default("use_beta_sigmas", config.use_beta_sigmas);
  }
};

}  // namespace xattn
