#include "xattn/schedulers/scheduling_lms_discrete.h"

#include <ATen/ops/tensor.h>

#include <algorithm>

#include "schedulers/checked_config.h"
#include "schedulers/noise_schedule.h"
#include "schedulers/sigmas.h"
#include "schedulers/timesteps.h"

namespace xattn {
namespace {

constexpr auto kLmsDiscretePlace = "LMSDiscreteScheduler";
constexpr int64_t kLmsOrder = 4;

/// The integral over the step `t` of the polynomial that is 1 at the sigma `current` steps before,
/// and 0 at those of the other `order` − 1 last steps.
double lms_coefficient(const float* sigmas, int64_t order, int64_t t, int64_t current) {
  std::vector<double> polynomial = {1};  // coefficients of powers of τ − σ_t
  const double origin = sigmas[t];
  for (int64_t k = 0; k < order; ++k) {
    if (k == current) continue;
    const double zero = sigmas[t - k] - origin, scale = sigmas[t - current] - sigmas[t - k];
    polynomial.push_back(0);
    for (auto i = polynomial.size() - 1; i > 0; --i) {
      polynomial[i] = (polynomial[i - 1] - zero * polynomial[i]) / scale;
    }
    polynomial[0] *= -zero / scale;
  }
  const double length = sigmas[t + 1] - origin;
  double integral = 0;
  for (auto i = polynomial.size(); i > 0; --i) {
    integral = (integral + polynomial[i - 1] / double(i)) * length;
  }
  return integral;
}

}  // namespace

LMSDiscreteScheduler::LMSDiscreteScheduler(LMSDiscreteSchedulerConfig config)
    : SigmaScheduler(make_alphas_cumprod(kLmsDiscretePlace, checked(kLmsDiscretePlace, config))),
      config_(std::move(config)) {}

Schedule LMSDiscreteScheduler::schedule(const ScheduleOptions& options) const {
  check_taken(*this, options);
  const auto known = training_sigmas(alphas_cumprod_);
  return sigma_schedule(sigma_table(kLmsDiscretePlace, config_, config_, options, known),
                        config_.timestep_spacing, options.device);
}

SchedulerOutput LMSDiscreteScheduler::step(const Schedule& schedule, const at::Tensor& model_output,
                                           int64_t i, const at::Tensor& sample,
                                           SchedulerState& state,
                                           const StepOptions& options) const {
  begin_step(*this, schedule, model_output, i, sample, state, options);
  const auto sigma = element(schedule.sigmas, i);
  const auto original = original_of(config_.prediction_type, model_output, sample, sigma);
  auto& derivatives = state.outputs;
  derivatives.push_back((sample - original) / sigma);
  if (int64_t(derivatives.size()) > kLmsOrder) derivatives.erase(derivatives.begin());
  // A run that begins later has fewer derivatives than its order, as in the original.
  const auto order = std::min(i + 1, kLmsOrder);
  const auto count = std::min(order, int64_t(derivatives.size()));
  at::Tensor sum;
  for (int64_t k = 0; k < count; ++k) {
    const auto part = lms_coefficient(schedule.sigmas.const_data_ptr<float>(), order, i, k) *
                      derivatives[derivatives.size() - 1 - size_t(k)];
    sum = sum.defined() ? sum + part : part;
  }
  return {sample + sum, original};
}

}  // namespace xattn
