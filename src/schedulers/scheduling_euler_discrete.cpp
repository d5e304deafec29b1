#include "xattn/schedulers/scheduling_euler_discrete.h"

#include <ATen/ops/linspace.h>
#include <ATen/ops/tensor.h>

#include <cmath>

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
  const auto from = sample.to(at::kFloat);
  const auto sigma = element(schedule.sigmas, i);
  const auto original = original_of(config_.prediction_type, model_output, from, sigma);
  const auto derivative = (from - original) / sigma;
  const auto previous = from + derivative * (element(schedule.sigmas, i + 1) - sigma);
  return {previous.to(model_output.scalar_type()), original};
}

}  // namespace xattn
