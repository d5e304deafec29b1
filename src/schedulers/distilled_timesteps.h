#pragma once

#include <string_view>
#include <vector>

#include "xattn/schedulers/noise_schedule_config.h"
#include "xattn/schedulers/scheduler.h"

namespace xattn {

/// The part of a distillation's way that a run goes: `strength`, or all of it. Throws `ValueError`
/// unless it is from 0 to 1.
double strength_of(std::string_view place, const ScheduleOptions& options);

/// The least noisy timesteps of a distillation in `steps` even steps, as many as `strength` leaves,
/// in ascending order. Throws `ValueError` for more steps than the model was trained with.
std::vector<double> distillation_timesteps(std::string_view place,
                                           const NoiseScheduleConfig& config, int64_t steps,
                                           double strength);

/// A run of a distilled model: by the caller's own timesteps, of which `strength` leaves the last,
/// or by as many as are asked for of the `known` ones of its distillation in `steps` steps.
///
/// Of the caller's own the schedule's `num_inference_steps` counts all, with those that are left
/// out. Throws `ValueError` for more timesteps than there are, and where none are left.
Schedule distilled_schedule(std::string_view place, const NoiseScheduleConfig& config,
                            const std::vector<double>& known, int64_t steps,
                            const ScheduleOptions& options);

}  // namespace xattn
