#include "schedulers/timesteps.h"

#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <cmath>

#include "core/check.h"
#include "xattn/core/error.h"

namespace xattn {

void check_taken(const Scheduler& scheduler, const ScheduleOptions& options) {
  const auto takes = scheduler.takes();
  const auto refuse_unless = [&](bool taken, bool given, const char* name) {
    if (taken || !given) return;
    throw_value_error(scheduler.class_name(), name, "none: this scheduler has no such option",
                      "some");
  };
  refuse_unless(takes.timesteps, !options.timesteps.empty(), "timesteps");
  refuse_unless(takes.sigmas, !options.sigmas.empty(), "sigmas");
  refuse_unless(takes.original_inference_steps, options.original_inference_steps.has_value(),
                "original_inference_steps");
  refuse_unless(takes.original_inference_steps, options.strength.has_value(), "strength");
  refuse_unless(takes.mu, options.mu.has_value(), "mu");
}

int64_t steps_of(std::string_view place, const NoiseScheduleConfig& config,
                 const ScheduleOptions& options) {
  if (!options.timesteps.empty() || !options.sigmas.empty() || !options.num_inference_steps) {
    throw ValueError(fmt::format("[{}] schedule: expected num_inference_steps alone, got {}", place,
                                 !options.timesteps.empty()
                                     ? "timesteps"
                                     : (!options.sigmas.empty() ? "sigmas" : "nothing")));
  }
  const auto steps = *options.num_inference_steps;
  if (steps < 1 || steps > config.num_train_timesteps) {
    throw_value_error(place, "num_inference_steps",
                      fmt::format("1 to {}, as the model was trained", config.num_train_timesteps),
                      std::to_string(steps));
  }
  return steps;
}

std::optional<std::vector<double>> own_timesteps(std::string_view place,
                                                 const NoiseScheduleConfig& config,
                                                 const ScheduleOptions& options, bool is_spread) {
  const auto& timesteps = options.timesteps;
  if (timesteps.empty() || options.num_inference_steps || !options.sigmas.empty()) return {};
  if (is_spread) {
    throw_value_error(place, "timesteps", "none: the config spreads the sigmas itself",
                      std::to_string(timesteps.size()));
  }
  auto previous = double(config.num_train_timesteps);
  for (const double timestep : timesteps) {
    if (!(timestep >= 0 && timestep < previous) || timestep != std::floor(timestep)) {
      throw_value_error(place, "timesteps",
                        fmt::format("whole descending ones below {}", config.num_train_timesteps),
                        fmt::format("{} after {}", timestep, previous));
    }
    previous = timestep;
  }
  return timesteps;
}

double round_half_even(double value) {
  return std::nearbyint(value);
}

void round_all(std::vector<double>& values) {
  for (auto& value : values) value = round_half_even(value);
}

std::vector<double> linspace(double first, double last, int64_t count) {
  std::vector<double> values(static_cast<size_t>(count), first);
  const double step = count > 1 ? (last - first) / double(count - 1) : 0;
  for (int64_t i = 0; i < count; ++i) values[i] = double(i) * step + first;
  if (count > 1) values.back() = last;
  return values;
}

std::vector<double> arange_down(double first, double step) {
  // numpy adds multiples of the difference of its first two values, which is rounded.
  const auto count = static_cast<int64_t>(std::ceil(first / step));
  const double difference = (first - step) - first;
  std::vector<double> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(first + double(i) * difference);
  return values;
}

std::vector<double> spaced_timesteps(const NoiseScheduleConfig& config, int64_t steps) {
  const auto train = config.num_train_timesteps;
  std::vector<double> timesteps;
  if (config.timestep_spacing == "linspace") {
    timesteps = linspace(0, double(train - 1), steps);
    return {timesteps.rbegin(), timesteps.rend()};
  }
  if (config.timestep_spacing == "leading") {
    const auto ratio = train / steps;
    for (auto i = steps; i > 0; --i) {
      timesteps.push_back(double((i - 1) * ratio + config.steps_offset));
    }
    return timesteps;
  }
  timesteps = arange_down(double(train), double(train) / double(steps));
  for (auto& timestep : timesteps) timestep = round_half_even(timestep) - 1;
  return timesteps;
}

std::vector<double> multistep_timesteps(const NoiseScheduleConfig& config, int64_t steps,
                                        int64_t train) {
  std::vector<double> timesteps;
  if (config.timestep_spacing == "trailing") {
    timesteps = arange_down(double(train), double(config.num_train_timesteps) / double(steps));
    for (auto& timestep : timesteps) timestep = round_half_even(timestep) - 1;
    return timesteps;
  }
  if (config.timestep_spacing == "linspace") {
    const auto ascending = linspace(0, double(train - 1), steps + 1);
    for (auto i = steps; i > 0; --i) timesteps.push_back(round_half_even(ascending[size_t(i)]));
    return timesteps;
  }
  const auto ratio = train / (steps + 1);
  for (auto i = steps; i > 0; --i) timesteps.push_back(double(i * ratio + config.steps_offset));
  return timesteps;
}

Schedule whole_schedule(const std::vector<double>& timesteps, at::Device device) {
  Schedule result;
  result.num_inference_steps = int64_t(timesteps.size());
  result.timesteps = whole_timesteps(timesteps, device);
  result.init_noise_sigma = at::scalar_tensor(1.0, at::kFloat);
  return result;
}

at::Tensor whole_timesteps(const std::vector<double>& timesteps, at::Device device) {
  std::vector<int64_t> whole;
  for (const auto timestep : timesteps) {
    whole.push_back(static_cast<int64_t>(round_half_even(timestep)));
  }
  return at::tensor(whole, at::kLong).to(device);
}

at::Tensor float_timesteps(const std::vector<double>& timesteps, at::Device device) {
  return at::tensor(timesteps, at::kDouble).to(at::kFloat).to(device);
}

}  // namespace xattn
