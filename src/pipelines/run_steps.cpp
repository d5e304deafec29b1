#include "xattn/pipelines/run_steps.h"

#include <ATen/TensorOperators.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/check.h"

namespace xattn {
namespace {

constexpr auto kRunStepsPlace = "run_steps";

void check_part(const char* name, double value) {
  if (value > 0 && value < 1) return;
  throw_value_error(kRunStepsPlace, name, "between 0 and 1", fmt::format("{}", value));
}

/// The timestep of the training after a part of it, rounded as Python's `round`: half to even.
double cutoff(const Scheduler& scheduler, double part) {
  const auto count = double(scheduler.num_train_timesteps());
  return std::nearbyint(count - part * count);
}

int64_t count_of(const at::Tensor& mask) {
  return mask.sum().item<int64_t>();
}

int64_t first_step(const Scheduler& scheduler, const Schedule& schedule,
                   const RunStepsOptions& options) {
  if (!options.denoising_start) {
    const auto steps = schedule.num_inference_steps;
    const auto taken = std::min(int64_t(double(steps) * options.strength), steps);
    return std::min((steps - taken) * scheduler.order(), schedule.size());
  }
  auto taken = count_of(schedule.timesteps < cutoff(scheduler, *options.denoising_start));
  // A step of two calls is not cut in half; the first call has no second.
  if (scheduler.order() == 2 && taken % 2 == 0) ++taken;
  return std::max<int64_t>(schedule.size() - taken, 0);
}

}  // namespace

RunSteps run_steps(const Scheduler& scheduler, const Schedule& schedule,
                   const RunStepsOptions& options) {
  if (!(options.strength >= 0 && options.strength <= 1)) {
    throw_value_error(kRunStepsPlace, "strength", "0 to 1", fmt::format("{}", options.strength));
  }
  if (options.denoising_start) check_part("denoising_start", *options.denoising_start);
  if (options.denoising_end) check_part("denoising_end", *options.denoising_end);
  if (options.denoising_start && options.denoising_end &&
      *options.denoising_start >= *options.denoising_end) {
    throw_value_error(kRunStepsPlace, "denoising_start",
                      fmt::format("below denoising_end, {}", *options.denoising_end),
                      fmt::format("{}", *options.denoising_start));
  }
  RunSteps steps{first_step(scheduler, schedule, options), schedule.size()};
  if (options.denoising_end) {
    const auto rest = schedule.timesteps.slice(0, steps.begin);
    steps.end = steps.begin + count_of(rest >= cutoff(scheduler, *options.denoising_end));
  }
  return steps;
}

}  // namespace xattn
