#include "schedulers/distilled_timesteps.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "schedulers/timesteps.h"

namespace xattn {

double strength_of(std::string_view place, const ScheduleOptions& options) {
  const double strength = options.strength.value_or(1);
  if (!(strength >= 0 && strength <= 1)) {
    throw_value_error(place, "strength", "0 to 1", fmt::format("{}", strength));
  }
  return strength;
}

std::vector<double> distillation_timesteps(std::string_view place,
                                           const NoiseScheduleConfig& config, int64_t steps,
                                           double strength) {
  if (steps < 1 || steps > config.num_train_timesteps) {
    throw_value_error(place, "original_inference_steps",
                      fmt::format("1 to {}", config.num_train_timesteps), std::to_string(steps));
  }
  const auto ratio = config.num_train_timesteps / steps;
  const auto count = static_cast<int64_t>(double(steps) * strength);
  std::vector<double> timesteps;
  for (int64_t i = 1; i <= count; ++i) timesteps.push_back(double(i * ratio - 1));
  return timesteps;
}

Schedule distilled_schedule(std::string_view place, const NoiseScheduleConfig& config,
                            const std::vector<double>& known, int64_t steps,
                            const ScheduleOptions& options) {
  if (const auto own = own_timesteps(place, config, options)) {
    const auto count = static_cast<int64_t>(own->size());
    const auto left = static_cast<int64_t>(double(count) * strength_of(place, options));
    if (left == 0) {
      throw_value_error(place, "strength", "enough for one timestep",
                        fmt::format("{}, which leaves none of {}", *options.strength, count));
    }
    auto result = whole_schedule({own->end() - left, own->end()}, options.device);
    result.num_inference_steps = count;
    return result;
  }
  const auto count = steps_of(place, config, options);
  const auto most = std::min(steps, int64_t(known.size()));
  if (count > most) {
    throw_value_error(
        place, "num_inference_steps",
        fmt::format("at most {}, as the model was distilled and strength leaves", most),
        std::to_string(count));
  }
  const double part = double(known.size()) / double(count);
  std::vector<double> timesteps;
  for (int64_t i = 0; i < count; ++i) {
    const auto index = static_cast<size_t>(std::floor(double(i) * part));
    timesteps.push_back(known[known.size() - 1 - index]);
  }
  return whole_schedule(timesteps, options.device);
}

}  // namespace xattn
