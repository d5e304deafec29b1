#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string_view>
#include <vector>

#include "xattn/schedulers/noise_schedule_config.h"
#include "xattn/schedulers/scheduler.h"

namespace xattn {

/// ᾱ where there is noise alone, for schedulers that divide by it.
inline constexpr double kTerminalAlpha = 1.0 / (1 << 24);

/// σ = √((1 − ᾱ) / ᾱ) of each training timestep, in float32 as the original's.
std::vector<double> training_sigmas(const at::Tensor& alphas_cumprod);

/// Values at `x` between (0, values[0]), (1, values[1]), …: numpy's interp.
std::vector<double> interpolate(const std::vector<double>& x, const std::vector<double>& values);

/// The training timestep, with a fraction, at which the noise is σ; between two by their
/// logarithms.
double timestep_of(double sigma, const std::vector<double>& training_sigmas);

/// Whether the config spreads the noise levels in some way.
bool is_spread(const SigmaSpreadConfig& config);
/// Throws `ValueError` where it spreads them in two ways.
void check_spread(std::string_view place, const SigmaSpreadConfig& config);

/// The timesteps of a run in float32: the caller's own, or as the config spaces them.
///
/// Throws `ValueError` for the caller's own where the config spreads the sigmas itself.
std::vector<double> run_timesteps(std::string_view place, const NoiseScheduleConfig& config,
                                  const SigmaSpreadConfig& spread, const ScheduleOptions& options);

/// Noise levels between the largest and the least one as the config spreads them; and evenly in
/// log σ.
std::vector<double> spread_sigmas(const SigmaSpreadConfig& config, double least, double largest,
                                  int64_t count);
std::vector<double> exponential_sigmas(double least, double largest, int64_t count);

/// The whole timesteps of noise levels: rounded, or cut.
std::vector<double> whole_timesteps_of(const std::vector<double>& sigmas,
                                       const std::vector<double>& training_sigmas, bool rounded);

/// The training's timesteps whose λ is not below `lambda_min`.
int64_t clipped_timesteps(const at::Tensor& alphas_cumprod, double lambda_min);

/// Timesteps and noise levels of a run.
struct SigmaTable {
  std::vector<double> timesteps, sigmas;
};
/// Where the config spreads the sigmas, it does so between `least` and `largest`, or those of the
/// run, and timesteps follow.
SigmaTable spread_table(const SigmaSpreadConfig& config, SigmaTable table,
                        const std::vector<double>& training_sigmas,
                        std::optional<double> least = std::nullopt,
                        std::optional<double> largest = std::nullopt);

/// The table of a run as the config spaces and spreads it, which ends without noise.
SigmaTable sigma_table(std::string_view place, const NoiseScheduleConfig& config,
                       const SigmaSpreadConfig& spread, const ScheduleOptions& options,
                       const std::vector<double>& training_sigmas);

/// The whole timesteps of a solver's run: the caller's own, or as the config spaces those whose λ
/// is not below `lambda_min`. Throws as `run_timesteps`.
std::vector<double> solver_timesteps(std::string_view place, const NoiseScheduleConfig& config,
                                     const at::Tensor& alphas_cumprod, double lambda_min,
                                     bool is_spread, const ScheduleOptions& options);

/// A run by a table whose sigmas have the noise at its end too: with timesteps in float32, whose
/// first sample is as noisy as the spacing says; and one of a solver, with whole timesteps, whose
/// first sample is noise alone.
Schedule sigma_schedule(const SigmaTable& table, const std::string& timestep_spacing,
                        at::Device device);
Schedule solver_schedule(const SigmaTable& table, at::Device device);

/// Throws `ValueError` unless sigmas alone are given, two or more, none negative, and descend.
void check_sigmas(std::string_view place, const ScheduleOptions& options);

/// Which step of a schedule begins at a timestep: the second one, where it is there twice.
int64_t index_for_timestep(std::string_view place, const Schedule& schedule, double timestep);

/// σ of the schedule's timesteps `[B]`, to be multiplied with samples `[B, …]`.
at::Tensor sigmas_at(std::string_view place, const Schedule& schedule, const at::Tensor& timesteps,
                     const at::Tensor& samples);

/// σ of the schedule's step `i`, to be multiplied with samples.
at::Tensor sigma_at_step(std::string_view place, const Schedule& schedule, int64_t i,
                         const at::Tensor& samples);

/// sample / √(σ² + 1).
at::Tensor scaled_input(const at::Tensor& sigmas, const at::Tensor& sample, int64_t i);

/// For schedulers that call the model twice a step: all values but the first and last one twice,
/// and the last one `last` times.
at::Tensor twice_each_step(const at::Tensor& values, int64_t last = 3);
/// Timesteps of whole steps, with those of the noise in the middle of each step between them.
at::Tensor interleaved_timesteps(const std::vector<double>& timesteps, const at::Tensor& sigmas,
                                 const std::vector<double>& training_sigmas);
/// Whether step `i` is the first half of one. Throws `ValueError` where a run begins with a second
/// half.
bool is_first_half(std::string_view place, int64_t i, const SchedulerState& state);

/// The largest σ, or √(σ² + 1) where timesteps are "leading".
at::Tensor init_noise_sigma_of(const at::Tensor& sigmas, const std::string& timestep_spacing);

/// x₀ from what a model of `prediction_type` says of a sample with noise σ.
at::Tensor original_of(const std::string& prediction_type, const at::Tensor& model_output,
                       const at::Tensor& sample, const at::Tensor& sigma);

}  // namespace xattn
