#pragma once

#include <vector>

#include "xattn/schedulers/noise_schedule_config.h"
#include "xattn/schedulers/scheduler.h"

namespace xattn {

/// The number of steps that is asked for. Throws `ValueError` unless it alone is given, from 1 to
/// `num_train_timesteps`.
int64_t steps_of(const char* place, const NoiseScheduleConfig& config,
                 const ScheduleOptions& options);

/// Throws `ValueError` unless they descend and fit the training.
void check_timesteps(const char* place, const NoiseScheduleConfig& config,
                     const std::vector<int64_t>& timesteps);

/// Timesteps from the noisiest on, chosen as `timestep_spacing` says; those of "linspace" may be
/// fractions.
std::vector<double> spaced_timesteps(const NoiseScheduleConfig& config, int64_t steps);

/// As `spaced_timesteps`, of the first `train` timesteps, as the solvers of several steps space
/// them: whole numbers, the last one not zero.
std::vector<double> multistep_timesteps(const NoiseScheduleConfig& config, int64_t steps,
                                        int64_t train);

/// Timesteps of a distilled model: the caller's own, or as many as are asked for of the
/// `original_steps` that it was distilled with. Throws `ValueError` for more than these.
std::vector<double> distilled_timesteps(const char* place, const NoiseScheduleConfig& config,
                                        int64_t original_steps, const ScheduleOptions& options);

/// numpy's linspace, arange and round.
std::vector<double> linspace(double first, double last, int64_t count);
std::vector<double> arange_down(double first, double step);
double round_half_even(double value);

at::Tensor whole_timesteps(const std::vector<double>& timesteps, at::Device device);
at::Tensor float_timesteps(const std::vector<double>& timesteps, at::Device device);

}  // namespace xattn
