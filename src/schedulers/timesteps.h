#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "xattn/schedulers/noise_schedule_config.h"
#include "xattn/schedulers/scheduler.h"

namespace xattn {

/// Throws `ValueError` for an option that the scheduler does not take.
void check_taken(const Scheduler& scheduler, const ScheduleOptions& options);

/// The number of steps that is asked for. Throws `ValueError` unless it alone is given, from 1 to
/// `num_train_timesteps`.
int64_t steps_of(std::string_view place, const NoiseScheduleConfig& config,
                 const ScheduleOptions& options);

/// The caller's own timesteps, where nothing else is given.
///
/// Throws `ValueError` where they do not descend or do not fit the training, and where the config
/// spreads the sigmas itself.
std::optional<std::vector<double>> own_timesteps(std::string_view place,
                                                 const NoiseScheduleConfig& config,
                                                 const ScheduleOptions& options,
                                                 bool is_spread = false);

/// Timesteps from the noisiest on, chosen as `timestep_spacing` says; those of "linspace" may be
/// fractions.
std::vector<double> spaced_timesteps(const NoiseScheduleConfig& config, int64_t steps);

/// As `spaced_timesteps`, of the first `train` timesteps, as the solvers of several steps space
/// them: whole numbers, the last one not zero.
std::vector<double> multistep_timesteps(const NoiseScheduleConfig& config, int64_t steps,
                                        int64_t train);

/// numpy's linspace, arange and round.
std::vector<double> linspace(double first, double last, int64_t count);
std::vector<double> arange_down(double first, double step);
double round_half_even(double value);
void round_all(std::vector<double>& values);

/// A run of a scheduler that computes with ᾱ, which begins with noise alone.
Schedule whole_schedule(const std::vector<double>& timesteps, at::Device device);

at::Tensor whole_timesteps(const std::vector<double>& timesteps, at::Device device);
at::Tensor float_timesteps(const std::vector<double>& timesteps, at::Device device);

}  // namespace xattn
