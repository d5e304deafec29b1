#include "xattn/schedulers/scheduling_euler_discrete.h"

#include <ATen/ops/linspace.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "core/check.h"
#include "schedulers/checked_config.h"
#include "schedulers/noise_schedule.h"
#include "schedulers/sigmas.h"
#include "schedulers/timesteps.h"

namespace xattn {
namespace {

constexpr auto kEulerDiscretePlace = "EulerDiscreteScheduler";

/// From the training's largest noise to its least, evenly in log σ, in float32.
std::vector<double> log_linear(const std::vector<double>& training_sigmas, size_t steps) {
  const auto log_of = [](double sigma) { return double(std::log(float(sigma))); };
  const auto sigmas = at::linspace(log_of(training_sigmas.back()), log_of(training_sigmas.front()),
                                   int64_t(steps) + 1, at::kFloat)
                          .exp();
  const auto* data = sigmas.const_data_ptr<float>();
  return {data, data + sigmas.numel()};
}

/// By what part of it a step raises its noise: γ of arXiv 2206.00364, algorithm 2.
double churn_of(const StepOptions& options, int64_t steps, float sigma) {
  const double churn = options.s_churn.value_or(0);
  if (!(churn >= 0)) {
    throw_value_error(kEulerDiscretePlace, "s_churn", "0 or more", fmt::format("{}", churn));
  }
  constexpr auto kInfinity = std::numeric_limits<double>::infinity();
  const bool is_between = sigma >= float(options.s_tmin.value_or(0)) &&
                          sigma <= float(options.s_tmax.value_or(kInfinity));
  return is_between ? std::min(churn / double(steps), std::numbers::sqrt2 - 1) : 0;
}

}  // namespace

EulerDiscreteScheduler::EulerDiscreteScheduler(EulerDiscreteSchedulerConfig config)
    : SigmaScheduler(make_alphas_cumprod(kEulerDiscretePlace, checked(kEulerDiscretePlace, config),
                                         config.rescale_betas_zero_snr, kTerminalAlpha)),
      config_(std::move(config)) {}

bool EulerDiscreteScheduler::is_continuous() const {
  return config_.timestep_type == "continuous" && config_.prediction_type == "v_prediction";
}

Schedule EulerDiscreteScheduler::schedule(const ScheduleOptions& options) const {
  check_taken(*this, options);
  const auto known = training_sigmas(alphas_cumprod_);
  SigmaTable table;
  auto& [timesteps, sigmas] = table;
  if (!options.sigmas.empty()) {
    check_sigmas(kEulerDiscretePlace, options);
    for (const double sigma : options.sigmas) sigmas.push_back(double(float(sigma)));
    for (size_t i = 0; i + 1 < sigmas.size(); ++i) {
      timesteps.push_back(timestep_of(sigmas[i], known));
    }
  } else {
    if (is_continuous() && !options.timesteps.empty()) {
      throw_value_error(kEulerDiscretePlace, "timesteps", "none: those of the model are continuous",
                        std::to_string(options.timesteps.size()));
    }
    timesteps = run_timesteps(kEulerDiscretePlace, config_, config_, options);
    sigmas = config_.interpolation_type == "linear" ? interpolate(timesteps, known)
                                                    : log_linear(known, timesteps.size());
    table = spread_table(config_, std::move(table), known, config_.sigma_min, config_.sigma_max);
    sigmas.push_back(config_.final_sigmas_type == "sigma_min" ? known[0] : 0);
  }
  auto result = sigma_schedule(table, config_.timestep_spacing, options.device);
  if (is_continuous()) {
    const auto levels = result.sigmas.narrow(0, 0, result.sigmas.size(0) - 1);
    result.timesteps = (0.25 * levels.log()).to(options.device);
  }
  return result;
}

SchedulerOutput EulerDiscreteScheduler::step(const Schedule& schedule,
                                             const at::Tensor& model_output, int64_t i,
                                             const at::Tensor& sample, SchedulerState& state,
                                             const StepOptions& options) const {
  begin_step(*this, schedule, model_output, i, sample, state, options);
  auto from = sample.to(at::kFloat);
  const auto sigma = element(schedule.sigmas, i);
  const double gamma = churn_of(options, schedule.size(), sigma.item<float>());
  const auto churned = sigma * (gamma + 1);
  if (gamma > 0) {
    const auto noise = draw_noise(kEulerDiscretePlace, model_output, options.generators) *
                       options.s_noise.value_or(1);
    from = from + noise * root(at::pow(churned, 2) - at::pow(sigma, 2));
  }
  // A prediction of v is taken for one at the noise before, as in the original.
  const auto original = original_of(config_.prediction_type, model_output, from,
                                    config_.prediction_type == "v_prediction" ? sigma : churned);
  const auto derivative = (from - original) / churned;
  const auto previous = from + derivative * (element(schedule.sigmas, i + 1) - churned);
  return {previous.to(model_output.scalar_type()), original};
}

}  // namespace xattn
