#include "xattn/schedulers/scheduling_flow_match_euler_discrete.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "schedulers/checked_config.h"
#include "schedulers/noise_schedule.h"
#include "schedulers/sigmas.h"
#include "schedulers/timesteps.h"

namespace xattn {
namespace {

constexpr auto kFlowMatchEulerPlace = "FlowMatchEulerDiscreteScheduler";

using FlowConfig = FlowMatchEulerDiscreteSchedulerConfig;

/// Sigmas in the precision that the original has them in: the caller's own are float32 there, and
/// each result is rounded to it.
struct FlowSigmas {
  std::vector<double> values;
  bool is_float;

  /// float32 operations of one rounding are those of double, rounded once more.
  double rounded(double value) const { return is_float ? double(float(value)) : value; }
};

void shift_by(double shift, FlowSigmas& sigmas) {
  const double factor = sigmas.rounded(shift), less = sigmas.rounded(shift - 1);
  for (auto& sigma : sigmas.values) {
    const double above = sigmas.rounded(factor * sigma);
    const double below = sigmas.rounded(1 + sigmas.rounded(less * sigma));
    sigma = sigmas.rounded(above / below);
  }
}

void shift_by_mu(const FlowConfig& config, double mu, FlowSigmas& sigmas) {
  const double factor = sigmas.rounded(config.time_shift_type == "exponential" ? std::exp(mu) : mu);
  for (auto& sigma : sigmas.values) {
    const double odds = sigmas.rounded(sigmas.rounded(1 / sigma) - 1);
    sigma = sigmas.rounded(factor / sigmas.rounded(factor + odds));
  }
}

/// So that the last sigma is `terminal`.
void stretch_to(double terminal, FlowSigmas& sigmas) {
  const double last = sigmas.rounded(1 - sigmas.values.back());
  if (last == 0) {
    throw_value_error(kFlowMatchEulerPlace, "sigmas",
                      "the last one below 1, as shift_terminal is set", "1");
  }
  const double scale = sigmas.rounded(last / sigmas.rounded(1 - terminal));
  for (auto& sigma : sigmas.values) {
    sigma = sigmas.rounded(1 - sigmas.rounded(sigmas.rounded(1 - sigma) / scale));
  }
}

/// From the noisiest of the training's sigmas to the least noisy, evenly. They are shifted where
/// the shift is the config's, and those of a run are so once more, as in the original.
std::vector<double> even_sigmas(const FlowConfig& config, int64_t steps) {
  const auto train = config.num_train_timesteps;
  auto ends = at::tensor({double(train), 1.0}, at::kFloat) / train;
  if (!config.use_dynamic_shifting) {
    ends = config.shift * ends / (1 + (config.shift - 1) * ends);
  }
  auto sigmas = linspace(ends[0].item<double>() * double(train),
                         ends[1].item<double>() * double(train), steps);
  for (auto& sigma : sigmas) sigma /= double(train);
  return sigmas;
}

/// Throws unless they are in descending order, from `most` at most to 0 at least.
void check_descending(const char* name, const std::vector<double>& values, double most) {
  const bool descend = std::is_sorted(values.rbegin(), values.rend());
  const auto is_within = [&](double value) { return value >= 0 && value <= most; };
  if (descend && std::all_of(values.begin(), values.end(), is_within)) return;
  throw_value_error(kFlowMatchEulerPlace, name, fmt::format("a descent within {} to 0", most),
                    fmt::format("[{}]", fmt::join(values, ", ")));
}

/// How many steps a run has: all that is given agrees on it.
int64_t count_of(const FlowConfig& config, const ScheduleOptions& options) {
  std::vector<int64_t> counts;
  if (options.num_inference_steps) counts.push_back(*options.num_inference_steps);
  if (!options.timesteps.empty()) counts.push_back(int64_t(options.timesteps.size()));
  if (!options.sigmas.empty()) counts.push_back(int64_t(options.sigmas.size()));
  const bool agree = std::all_of(counts.begin(), counts.end(),
                                 [&](int64_t count) { return count == counts.front(); });
  if (counts.empty() || !agree) {
    throw_value_error(kFlowMatchEulerPlace, "schedule",
                      "num_inference_steps, timesteps or sigmas, or as many of each",
                      counts.empty() ? "nothing" : fmt::format("{}", fmt::join(counts, ", ")));
  }
  if (counts.front() < 1 || counts.front() > config.num_train_timesteps) {
    throw_value_error(kFlowMatchEulerPlace, "num_inference_steps",
                      fmt::format("1 to {}, as the model was trained", config.num_train_timesteps),
                      std::to_string(counts.front()));
  }
  return counts.front();
}

/// The sigmas of a run before they are shifted.
FlowSigmas first_sigmas(const FlowConfig& config, const ScheduleOptions& options, int64_t count) {
  const auto train = double(config.num_train_timesteps);
  if (options.sigmas.empty() && options.timesteps.empty()) {
    return {even_sigmas(config, count), false};
  }
  FlowSigmas result{options.sigmas, true};
  if (options.sigmas.empty()) {
    for (const double timestep : options.timesteps) {
      result.values.push_back(double(float(timestep)) / train);
    }
  } else {
    check_descending("sigmas", options.sigmas, 1);
  }
  if (!options.timesteps.empty()) check_descending("timesteps", options.timesteps, train);
  for (auto& sigma : result.values) sigma = double(float(sigma));
  return result;
}

at::Tensor noised_by_flow(const at::Tensor& sigma, const at::Tensor& samples,
                          const at::Tensor& noise) {
  return sigma * noise + (1.0 - sigma) * samples;
}

}  // namespace

FlowMatchEulerDiscreteScheduler::FlowMatchEulerDiscreteScheduler(FlowConfig config)
    : config_(std::move(config)) {
  checked(kFlowMatchEulerPlace, config_);
  if (!(config_.shift > 0) || !std::isfinite(config_.shift)) {
    throw_value_error(kFlowMatchEulerPlace, "shift", "above 0", fmt::format("{}", config_.shift));
  }
  const double terminal = config_.shift_terminal.value_or(0);
  if (!(terminal >= 0 && terminal < 1)) {
    throw_value_error(kFlowMatchEulerPlace, "shift_terminal", "from 0 to below 1",
                      fmt::format("{}", terminal));
  }
}

double FlowMatchEulerDiscreteScheduler::shift_for(int64_t image_seq_len) const {
  const auto length = double(config_.max_image_seq_len - config_.base_image_seq_len);
  if (!config_.base_shift || !config_.max_shift || length == 0) {
    throw_value_error(kFlowMatchEulerPlace, "config", "base_shift and max_shift of two lengths",
                      length == 0 ? "one length" : "none");
  }
  const double slope = (*config_.max_shift - *config_.base_shift) / length;
  const double start = *config_.base_shift - slope * double(config_.base_image_seq_len);
  return double(image_seq_len) * slope + start;
}

Schedule FlowMatchEulerDiscreteScheduler::schedule(const ScheduleOptions& options) const {
  check_taken(*this, options);
  if (config_.use_dynamic_shifting && !options.mu) {
    throw_value_error(kFlowMatchEulerPlace, "mu", "one, as use_dynamic_shifting is set", "none");
  }
  if (options.mu && !std::isfinite(*options.mu)) {
    throw_value_error(kFlowMatchEulerPlace, "mu", "a finite number",
                      fmt::format("{}", *options.mu));
  }
  const auto count = count_of(config_, options);
  auto sigmas = first_sigmas(config_, options, count);
  if (options.mu) {
    shift_by_mu(config_, *options.mu, sigmas);
  } else {
    shift_by(config_.shift, sigmas);
  }
  if (config_.shift_terminal.value_or(0) != 0) stretch_to(*config_.shift_terminal, sigmas);
  if (is_spread(config_)) {
    const double least = sigmas.values.back(), largest = sigmas.values.front();
    sigmas.values = spread_sigmas(config_, least, largest, count);
  }

  const auto train = config_.num_train_timesteps;
  auto levels = at::tensor(sigmas.values, at::kDouble).to(at::kFloat);
  if (config_.invert_sigmas) levels = 1.0 - levels;
  Schedule result;
  result.num_inference_steps = count;
  result.timesteps = options.timesteps.empty() || config_.invert_sigmas
                         ? (levels * train).to(options.device)
                         : float_timesteps(options.timesteps, options.device);
  result.sigmas = at::cat({levels, at::full({1}, config_.invert_sigmas ? 1.0 : 0.0, at::kFloat)});
  result.init_noise_sigma = at::scalar_tensor(1.0, at::kFloat);
  return result;
}

SchedulerOutput FlowMatchEulerDiscreteScheduler::step(const Schedule& schedule,
                                                      const at::Tensor& model_output, int64_t i,
                                                      const at::Tensor& sample,
                                                      SchedulerState& state,
                                                      const StepOptions& options) const {
  begin_step(*this, schedule, model_output, i, sample, state, options);
  const auto from = sample.to(at::kFloat);
  const auto sigma = element(schedule.sigmas, i), next = element(schedule.sigmas, i + 1);
  at::Tensor previous;
  if (config_.stochastic_sampling) {
    const auto original = from - sigma * model_output;
    const auto noise = draw_noise(kFlowMatchEulerPlace, from, options.generators);
    previous = (1.0 - next) * original + next * noise;
  } else {
    previous = from + (next - sigma) * model_output;
  }
  return {previous.to(model_output.scalar_type()), at::Tensor()};
}

at::Tensor FlowMatchEulerDiscreteScheduler::add_noise(const Schedule& schedule,
                                                      const at::Tensor& original_samples,
                                                      const at::Tensor& noise,
                                                      const at::Tensor& timesteps) const {
  return noised_by_flow(sigmas_at(kFlowMatchEulerPlace, schedule, timesteps, original_samples),
                        original_samples, noise);
}

at::Tensor FlowMatchEulerDiscreteScheduler::add_noise_at(const Schedule& schedule,
                                                         const at::Tensor& original_samples,
                                                         const at::Tensor& noise, int64_t i) const {
  return noised_by_flow(sigma_at_step(kFlowMatchEulerPlace, schedule, i, original_samples),
                        original_samples, noise);
}

}  // namespace xattn
