#include "schedulers/sigmas.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/log.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "schedulers/beta_distribution.h"
#include "schedulers/noise_schedule.h"
#include "schedulers/timesteps.h"

namespace xattn {

std::vector<double> training_sigmas(const at::Tensor& alphas_cumprod) {
  const auto sigmas = root((1 - alphas_cumprod) / alphas_cumprod).contiguous();
  const auto* data = sigmas.const_data_ptr<float>();
  return {data, data + sigmas.numel()};
}

std::vector<double> interpolate(const std::vector<double>& x, const std::vector<double>& values) {
  const auto last = double(values.size() - 1);
  std::vector<double> result;
  for (const double at : x) {
    const auto low = static_cast<size_t>(std::clamp(std::floor(at), 0.0, last));
    const double slope = double(low) == last ? 0 : values[low + 1] - values[low];
    result.push_back(slope * (std::clamp(at, 0.0, last) - double(low)) + values[low]);
  }
  return result;
}

double timestep_of(double sigma, const std::vector<double>& training_sigmas) {
  const auto log_of = [](double value) { return double(std::log(float(value))); };
  const double log_sigma = std::log(std::max(sigma, 1e-10));
  // The last one that is not above; they ascend.
  const auto above =
      std::upper_bound(training_sigmas.begin(), training_sigmas.end(), log_sigma,
                       [&](double value, double other) { return value < log_of(other); });
  const auto not_above = std::max<int64_t>(above - training_sigmas.begin() - 1, 0);
  const auto low = std::min<int64_t>(not_above, int64_t(training_sigmas.size()) - 2);
  const double log_low = log_of(training_sigmas[size_t(low)]);
  const double log_high = log_of(training_sigmas[size_t(low + 1)]);
  const double difference = float(log_low) - float(log_high);  // the original's is of float32
  const double weight = std::clamp((log_low - log_sigma) / difference, 0.0, 1.0);
  return (1 - weight) * double(low) + weight * double(low + 1);
}

bool is_spread(const SigmaSpreadConfig& config) {
  return config.use_karras_sigmas || config.use_exponential_sigmas || config.use_beta_sigmas;
}

void check_spread(std::string_view place, const SigmaSpreadConfig& config) {
  const int ways =
      config.use_karras_sigmas + config.use_exponential_sigmas + config.use_beta_sigmas;
  if (ways > 1) {
    throw_value_error(place, "config",
                      "one of use_karras_sigmas, use_exponential_sigmas and use_beta_sigmas",
                      std::to_string(ways));
  }
}

std::vector<double> exponential_sigmas(double least, double largest, int64_t count) {
  auto sigmas = linspace(std::log(largest), std::log(least), count);
  for (auto& sigma : sigmas) sigma = std::exp(sigma);
  return sigmas;
}

/// Evenly in σ^(1/7) (Karras, arXiv 2206.00364, equation 5), evenly in log σ, or by quantiles of a
/// beta distribution with α = β = 0.6 (arXiv 2407.12173).
std::vector<double> spread_sigmas(const SigmaSpreadConfig& config, double least, double largest,
                                  int64_t count) {
  if (config.use_exponential_sigmas) return exponential_sigmas(least, largest, count);
  auto sigmas = linspace(0, 1, count);
  if (config.use_beta_sigmas) {
    constexpr double kAlpha = 0.6, kBeta = 0.6;
    for (auto& sigma : sigmas) {
      sigma = least + beta_quantile(1 - sigma, kAlpha, kBeta) * (largest - least);
    }
    return sigmas;
  }
  constexpr double kRho = 7;
  const double from = std::pow(largest, 1 / kRho), to = std::pow(least, 1 / kRho);
  for (auto& sigma : sigmas) sigma = std::pow(from + sigma * (to - from), kRho);
  return sigmas;
}

std::vector<double> whole_timesteps_of(const std::vector<double>& sigmas,
                                       const std::vector<double>& training_sigmas, bool rounded) {
  std::vector<double> timesteps;
  for (const double sigma : sigmas) timesteps.push_back(timestep_of(sigma, training_sigmas));
  if (rounded) round_all(timesteps);
  for (auto& timestep : timesteps) timestep = std::trunc(timestep);
  return timesteps;
}

int64_t clipped_timesteps(const at::Tensor& alphas_cumprod, double lambda_min) {
  const auto lambdas = at::log(at::sqrt(alphas_cumprod)) - at::log(at::sqrt(1 - alphas_cumprod));
  return alphas_cumprod.size(0) - lambdas.lt(lambda_min).sum().item<int64_t>();
}

std::vector<double> run_timesteps(std::string_view place, const NoiseScheduleConfig& config,
                                  const SigmaSpreadConfig& spread, const ScheduleOptions& options) {
  auto timesteps = own_timesteps(place, config, options, is_spread(spread));
  if (!timesteps) timesteps = spaced_timesteps(config, steps_of(place, config, options));
  for (auto& timestep : *timesteps) timestep = double(float(timestep));
  return *std::move(timesteps);
}

SigmaTable spread_table(const SigmaSpreadConfig& config, SigmaTable table,
                        const std::vector<double>& training_sigmas, std::optional<double> least,
                        std::optional<double> largest) {
  if (!is_spread(config)) return table;
  auto& [timesteps, sigmas] = table;
  sigmas = spread_sigmas(config, least.value_or(sigmas.back()), largest.value_or(sigmas.front()),
                         int64_t(timesteps.size()));
  for (size_t i = 0; i < sigmas.size(); ++i) timesteps[i] = timestep_of(sigmas[i], training_sigmas);
  return table;
}

SigmaTable sigma_table(std::string_view place, const NoiseScheduleConfig& config,
                       const SigmaSpreadConfig& spread, const ScheduleOptions& options,
                       const std::vector<double>& training_sigmas) {
  const auto timesteps = run_timesteps(place, config, spread, options);
  auto table =
      spread_table(spread, {timesteps, interpolate(timesteps, training_sigmas)}, training_sigmas);
  table.sigmas.push_back(0);
  return table;
}

std::vector<double> solver_timesteps(std::string_view place, const NoiseScheduleConfig& config,
                                     const at::Tensor& alphas_cumprod, double lambda_min,
                                     bool is_spread, const ScheduleOptions& options) {
  if (auto own = own_timesteps(place, config, options, is_spread)) return *std::move(own);
  return multistep_timesteps(config, steps_of(place, config, options),
                             clipped_timesteps(alphas_cumprod, lambda_min));
}

Schedule sigma_schedule(const SigmaTable& table, const std::string& timestep_spacing,
                        at::Device device) {
  Schedule result;
  result.num_inference_steps = int64_t(table.timesteps.size());
  result.sigmas = at::tensor(table.sigmas, at::kDouble).to(at::kFloat);
  result.timesteps = float_timesteps(table.timesteps, device);
  result.init_noise_sigma = init_noise_sigma_of(result.sigmas, timestep_spacing);
  return result;
}

Schedule solver_schedule(const SigmaTable& table, at::Device device) {
  auto result = whole_schedule(table.timesteps, device);
  result.sigmas = at::tensor(table.sigmas, at::kDouble).to(at::kFloat);
  return result;
}

void check_sigmas(std::string_view place, const ScheduleOptions& options) {
  if (options.num_inference_steps || !options.timesteps.empty()) {
    throw_value_error(place, "sigmas", "no steps or timesteps beside them", "both");
  }
  const auto& sigmas = options.sigmas;
  const bool descend = std::is_sorted(sigmas.rbegin(), sigmas.rend());
  const bool are_levels = std::all_of(sigmas.begin(), sigmas.end(), [](double sigma) {
    return sigma >= 0 && std::isfinite(sigma);
  });
  if (sigmas.size() < 2 || !descend || !are_levels) {
    throw_value_error(place, "sigmas", "two or more that descend to 0 or above",
                      fmt::format("[{}]", fmt::join(sigmas, ", ")));
  }
}

int64_t index_for_timestep(std::string_view place, const Schedule& schedule, double timestep) {
  const auto timesteps = schedule.timesteps.to(at::kCPU, at::kDouble);
  const auto* data = timesteps.const_data_ptr<double>();
  const auto* end = data + timesteps.numel();
  const auto* found = std::find(data, end, timestep);
  if (found == end) {
    throw_value_error(place, "timesteps", "some of the schedule", fmt::format("{}", timestep));
  }
  const auto* second = std::find(found + 1, end, timestep);
  return (second == end ? found : second) - data;
}

at::Tensor sigmas_at(std::string_view place, const Schedule& schedule, const at::Tensor& timesteps,
                     const at::Tensor& samples) {
  check_shape(place, "timesteps", timesteps, {"B"});
  const auto values = timesteps.to(at::kCPU, at::kDouble);
  std::vector<int64_t> indices;
  for (int64_t b = 0; b < values.size(0); ++b) {
    indices.push_back(index_for_timestep(place, schedule, values[b].item<double>()));
  }
  std::vector<int64_t> shape(size_t(samples.dim()), 1);
  shape[0] = values.size(0);
  return schedule.sigmas.index_select(0, at::tensor(indices, at::kLong)).to(samples).view(shape);
}

at::Tensor sigma_at_step(std::string_view place, const Schedule& schedule, int64_t i,
                         const at::Tensor& samples) {
  check_step(place, schedule, i);
  return element(schedule.sigmas, i).to(samples);
}

at::Tensor scaled_input(const at::Tensor& sigmas, const at::Tensor& sample, int64_t i) {
  return sample / root(at::pow(element(sigmas, i), 2) + 1);
}

at::Tensor twice_each_step(const at::Tensor& values, int64_t last) {
  const auto count = values.size(0);
  if (count == 1) return values;
  return at::cat({values.narrow(0, 0, 1), values.narrow(0, 1, count - 2).repeat_interleave(2),
                  values.narrow(0, count - 1, 1).repeat(last)});
}

at::Tensor interleaved_timesteps(const std::vector<double>& timesteps, const at::Tensor& sigmas,
                                 const std::vector<double>& training_sigmas) {
  std::vector<double> all = {timesteps[0]};
  for (size_t i = 1; i < timesteps.size(); ++i) {
    all.push_back(timestep_of(sigmas[int64_t(i) - 1].item<double>(), training_sigmas));
    all.push_back(timesteps[i]);
  }
  return float_timesteps(all, at::kCPU);
}

bool is_first_half(std::string_view place, int64_t i, const SchedulerState& state) {
  if (i % 2 == 1 && !state.sample.defined()) {
    throw_value_error(place, "i", "an even one to begin with", std::to_string(i));
  }
  return i % 2 == 0;
}

at::Tensor init_noise_sigma_of(const at::Tensor& sigmas, const std::string& timestep_spacing) {
  const auto largest = sigmas.max();
  return timestep_spacing == "leading" ? root(at::pow(largest, 2) + 1) : largest;
}

at::Tensor original_of(const std::string& prediction_type, const at::Tensor& model_output,
                       const at::Tensor& sample, const at::Tensor& sigma) {
  if (prediction_type == "epsilon") return sample - sigma * model_output;
  if (prediction_type == "v_prediction") {
    const auto square = at::pow(sigma, 2) + 1;
    return model_output * (-sigma / root(square)) + sample / square;
  }
  return model_output;
}

}  // namespace xattn
