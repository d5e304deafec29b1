#include "xattn/schedulers/scheduling_ddpm.h"

#include <ATen/ops/clamp.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/log.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/tensor.h>

#include "core/check.h"
#include "schedulers/noise_schedule.h"
#include "schedulers/timesteps.h"

namespace xattn {
namespace {

constexpr auto kDdpmPlace = "DDPMScheduler";

}  // namespace

DDPMScheduler::DDPMScheduler(DDPMSchedulerConfig config)
    : config_(std::move(config)),
      alphas_cumprod_(make_alphas_cumprod(kDdpmPlace, config_, config_.rescale_betas_zero_snr)) {}

Schedule DDPMScheduler::schedule(const ScheduleOptions& options) const {
  Schedule result;
  result.init_noise_sigma = at::scalar_tensor(1.0, at::kFloat);
  if (!options.timesteps.empty() && !options.num_inference_steps && options.sigmas.empty()) {
    check_timesteps(kDdpmPlace, config_, options.timesteps);
    result.timesteps = at::tensor(options.timesteps, at::kLong).to(options.device);
    result.num_inference_steps = result.size();
    return result;
  }
  result.num_inference_steps = steps_of(kDdpmPlace, config_, options);
  result.timesteps =
      whole_timesteps(spaced_timesteps(config_, result.num_inference_steps), options.device);
  return result;
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
  begin_step(kDdpmPlace, schedule, model_output, i, sample, state, options, /*knows_eta=*/false);
  const bool learned = config_.variance_type.starts_with("learned");
  at::Tensor output = model_output, predicted_variance;
  if (learned) {
    if (model_output.size(1) != 2 * sample.size(1)) {
      throw_value_error(kDdpmPlace, "model_output",
                        "twice the sample's channels, the second half for the learned variance",
                        std::to_string(model_output.size(1)));
    }
    output = model_output.narrow(1, 0, sample.size(1));
    predicted_variance = model_output.narrow(1, sample.size(1), sample.size(1));
  }
  const auto t = schedule.timesteps[i].item<int64_t>();
  const bool is_last = i + 1 == schedule.size();
  const auto alpha = element(alphas_cumprod_, t);
  const auto previous_alpha =
      is_last ? at::scalar_tensor(1.0, at::kFloat)
              : element(alphas_cumprod_, schedule.timesteps[i + 1].item<int64_t>());
  const auto beta = 1 - alpha, previous_beta = 1 - previous_alpha;
  const auto current_alpha = alpha / previous_alpha;
  const auto current_beta = 1 - current_alpha;

  at::Tensor original;
  if (config_.prediction_type == "epsilon") {
    original = (sample - root(beta) * output) / root(alpha);
  } else if (config_.prediction_type == "sample") {
    original = output;
  } else {
    original = root(alpha) * sample - root(beta) * output;
  }
  original = in_range_of(config_, original);

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

at::Tensor DDPMScheduler::add_noise(const Schedule&, const at::Tensor& original_samples,
                                    const at::Tensor& noise, const at::Tensor& timesteps) const {
  return add_noise_of(kDdpmPlace, alphas_cumprod_, original_samples, noise, timesteps);
}

at::Tensor DDPMScheduler::get_velocity(const at::Tensor& sample, const at::Tensor& noise,
                                       const at::Tensor& timesteps) const {
  return velocity_of(kDdpmPlace, alphas_cumprod_, sample, noise, timesteps);
}

}  // namespace xattn
