#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include <string_view>

#include "xattn/schedulers/noise_schedule_config.h"
#include "xattn/schedulers/scheduler.h"

namespace xattn {

/// ᾱ of each timestep, `[num_train_timesteps]`, float32 on the CPU: the product of 1 − β up to it.
///
/// With `zero_snr` the last timestep is noise alone: ᾱ = 0 there, or `terminal_alpha` where the
/// scheduler divides by it.
///
/// Throws: `ValueError` for a beta schedule of another name.
at::Tensor make_alphas_cumprod(std::string_view place, const NoiseScheduleConfig& config,
                               bool zero_snr = false,
                               std::optional<double> terminal_alpha = std::nullopt);

/// An element as a scalar tensor, float32 on the CPU, as the original's arithmetic has it.
at::Tensor element(const at::Tensor& values, int64_t index);

/// √x, by `pow` as the original.
at::Tensor root(const at::Tensor& x);

/// √ᾱ · samples + √(1 − ᾱ) · noise.
at::Tensor add_noise_of(std::string_view place, const at::Tensor& alphas_cumprod,
                        const at::Tensor& original_samples, const at::Tensor& noise,
                        const at::Tensor& timesteps);

/// √ᾱ · noise − √(1 − ᾱ) · sample.
at::Tensor velocity_of(std::string_view place, const at::Tensor& alphas_cumprod,
                       const at::Tensor& sample, const at::Tensor& noise,
                       const at::Tensor& timesteps);

/// The picture in a sample α · picture + σ · ε, and the ε, by what a model of `prediction_type`
/// says of it.
at::Tensor predicted_original(const std::string& prediction_type, const at::Tensor& model_output,
                              const at::Tensor& sample, const at::Tensor& alpha,
                              const at::Tensor& sigma);
at::Tensor predicted_epsilon(const std::string& prediction_type, const at::Tensor& model_output,
                             const at::Tensor& sample, const at::Tensor& alpha,
                             const at::Tensor& sigma);

/// Clips or thresholds a predicted picture as the config says.
at::Tensor in_range_of(const ThresholdConfig& config, const at::Tensor& sample);

/// Noise of a standard normal distribution, drawn in the original's order: on the generator's
/// device, and for each picture from its own where there are several.
at::Tensor draw_noise(std::string_view place, const at::Tensor& like,
                      const std::vector<at::Generator>& generators);

/// Throws `ValueError` unless `i` is a step of the schedule.
void check_step(std::string_view place, const Schedule& schedule, int64_t i);

/// Throws `ValueError` unless `i` is the run's next step, the shapes agree, and no option is given
/// but what the scheduler takes. Counts the step.
void begin_step(const Scheduler& scheduler, const Schedule& schedule,
                const at::Tensor& model_output, int64_t i, const at::Tensor& sample,
                SchedulerState& state, const StepOptions& options);

}  // namespace xattn
