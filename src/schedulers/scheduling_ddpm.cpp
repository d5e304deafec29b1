#include "xattn/schedulers/scheduling_ddpm.h"

#include <ATen/ops/clamp.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/log.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/tensor.h>

#include "core/check.h"
#include "schedulers/checked_config.h"
#include "schedulers/noise_schedule.h"
#include "schedulers/timesteps.h"

namespace xattn {
namespace {

constexpr auto kDdpmPlace = "DDPMScheduler";

}  // namespace

DDPMScheduler::DDPMScheduler(DDPMSchedulerConfig config)
    : AlphaScheduler(make_alphas_cumprod(kDdpmPlace, checked(kDdpmPlace, config),
                                         config.rescale_betas_zero_snr)),
      config_(std::move(config)) {}

Schedule DDPMScheduler::schedule(const ScheduleOptions& options) const {
  check_taken(*this, options);
  auto timesteps = own_timesteps(kDdpmPlace, config_, options);
  if (!timesteps) timesteps = spaced_timesteps(config_, steps_of(kDdpmPlace, config_, options));
  return whole_schedule(*timesteps, options.device);
}

at::Tensor DDPMScheduler::variance(const at::Tensor& alpha, const at::Tensor& previous_alpha,
                                   const at::Tensor& predicted) const {
  const auto beta = 1 - alpha / previous_alpha;
  const auto variance = at::clamp((1 - previous_alpha) / (1 - alpha) * beta, 1e-20);
  const auto& type = config_.variance_type;
  if (type == "fixed_small_log") return at::exp(0.5 * at::log(variance));
  if (type == "fixed_large") return beta;
  if (type == "fixed_large_log") return at::log(beta);
  if (type == "learned") return predicted;
  if (type == "learned_range") {
    const auto fraction = (predicted + 1) / 2;
    return fraction * at::log(beta) + (1 - fraction) * at::log(variance);
  }
  return variance;
}

SchedulerOutput DDPMScheduler::step(const Schedule& schedule, const at::Tensor& model_output,
                                    int64_t i, const at::Tensor& sample, SchedulerState& state,
                                    const StepOptions& options) const {
  const bool learned = config_.variance_type && config_.variance_type->starts_with("learned");
  at::Tensor output = model_output, predicted_variance;
  if (learned && model_output.defined() && sample.defined() && sample.dim() > 1) {
    if (model_output.dim() < 2 || model_output.size(1) != 2 * sample.size(1)) {
      throw_value_error(kDdpmPlace, "model_output",
                        "twice the sample's channels, the second half for the learned variance",
                        shape_text(model_output.sizes()));
    }
    output = model_output.narrow(1, 0, sample.size(1));
    predicted_variance = model_output.narrow(1, sample.size(1), sample.size(1));
  }
  begin_step(*this, schedule, output, i, sample, state, options);
  const auto t = schedule.timesteps[i].item<int64_t>();
  const bool is_last = i + 1 == schedule.size();
  const auto alpha = element(alphas_cumprod_, t);
  const auto previous_alpha =
      is_last ? at::scalar_tensor(1.0, at::kFloat)
              : element(alphas_cumprod_, schedule.timesteps[i + 1].item<int64_t>());
  const auto beta = 1 - alpha, previous_beta = 1 - previous_alpha;
  const auto current_alpha = alpha / previous_alpha;
  const auto current_beta = 1 - current_alpha;

  const auto original = in_range_of(config_, predicted_original(config_.prediction_type, output,
                                                                sample, root(alpha), root(beta)));

  auto previous = root(previous_alpha) * current_beta / beta * original +
                  root(current_alpha) * previous_beta / beta * sample;
  if (t > 0) {
    const auto noise = draw_noise(kDdpmPlace, output, options.generators);
    const auto spread = variance(alpha, previous_alpha, predicted_variance);
    if (config_.variance_type == "fixed_small_log") {
      previous = previous + spread * noise;
    } else if (config_.variance_type == "learned_range") {
      previous = previous + at::exp(0.5 * spread) * noise;
    } else {
      previous = previous + root(spread) * noise;
    }
  }
  return {previous, original};
}

}  // namespace xattn
