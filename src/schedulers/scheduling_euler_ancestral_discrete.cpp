#include "xattn/schedulers/scheduling_euler_ancestral_discrete.h"

#include <ATen/ops/pow.h>
#include <ATen/ops/tensor.h>

#include "schedulers/checked_config.h"
#include "schedulers/noise_schedule.h"
#include "schedulers/sigmas.h"
#include "schedulers/timesteps.h"

namespace xattn {
namespace {

constexpr auto kEulerAncestralDiscretePlace = "EulerAncestralDiscreteScheduler";

}  // namespace

EulerAncestralDiscreteScheduler::EulerAncestralDiscreteScheduler(
    EulerAncestralDiscreteSchedulerConfig config)
    : SigmaScheduler(make_alphas_cumprod(kEulerAncestralDiscretePlace,
                                         checked(kEulerAncestralDiscretePlace, config),
                                         config.rescale_betas_zero_snr, kTerminalAlpha)),
      config_(std::move(config)) {}

Schedule EulerAncestralDiscreteScheduler::schedule(const ScheduleOptions& options) const {
  check_taken(*this, options);
  const auto known = training_sigmas(alphas_cumprod_);
  return sigma_schedule(sigma_table(kEulerAncestralDiscretePlace, config_, {}, options, known),
                        config_.timestep_spacing, options.device);
}

SchedulerOutput EulerAncestralDiscreteScheduler::step(const Schedule& schedule,
                                                      const at::Tensor& model_output, int64_t i,
                                                      const at::Tensor& sample,
                                                      SchedulerState& state,
                                                      const StepOptions& options) const {
  begin_step(*this, schedule, model_output, i, sample, state, options);
  const auto from = sample.to(at::kFloat);
  const auto sigma = element(schedule.sigmas, i);
  const auto original = original_of(config_.prediction_type, model_output, from, sigma);
  const auto square = at::pow(sigma, 2), next_square = at::pow(element(schedule.sigmas, i + 1), 2);
  const auto up = root(next_square * (square - next_square) / square);
  const auto down = root(next_square - at::pow(up, 2));
  const auto derivative = (from - original) / sigma;
  const auto previous =
      from + derivative * (down - sigma) +
      draw_noise(kEulerAncestralDiscretePlace, model_output, options.generators) * up;
  return {previous.to(model_output.scalar_type()), original};
}

}  // namespace xattn
