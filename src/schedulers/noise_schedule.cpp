#include "schedulers/noise_schedule.h"

#include <ATen/ops/abs.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/cumprod.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/quantile.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/check.h"
#include "xattn/core/error.h"

namespace xattn {
namespace {

double cosine_alpha_bar(double t) {
  return std::pow(std::cos((t + 0.008) / 1.008 * std::numbers::pi / 2), 2);
}

double laplace_alpha_bar(double t) {
  const double lambda =
      -0.5 * std::copysign(1.0, 0.5 - t) * std::log(1 - 2 * std::fabs(0.5 - t) + 1e-6);
  const double snr = std::exp(lambda);
  return std::sqrt(snr / (1 + snr));
}

at::Tensor betas_for_alpha_bar(int64_t count, double (*alpha_bar)(double)) {
  constexpr double kMost = 0.999;
  std::vector<double> betas;
  for (int64_t i = 0; i < count; ++i) {
    const double from = double(i) / double(count), to = double(i + 1) / double(count);
    betas.push_back(std::min(1 - alpha_bar(to) / alpha_bar(from), kMost));
  }
  return at::tensor(betas, at::kDouble).to(at::kFloat);
}

at::Tensor make_betas(std::string_view place, const NoiseScheduleConfig& config) {
  const auto count = config.num_train_timesteps;
  if (config.trained_betas) {
    if (int64_t(config.trained_betas->size()) != count) {
      throw_value_error(place, "trained_betas", fmt::format("{} of them", count),
                        std::to_string(config.trained_betas->size()));
    }
    return at::tensor(*config.trained_betas, at::kDouble).to(at::kFloat);
  }
  const auto& name = config.beta_schedule;
  if (name == "linear") return at::linspace(config.beta_start, config.beta_end, count, at::kFloat);
  if (name == "scaled_linear") {
    return at::pow(at::linspace(std::pow(config.beta_start, 0.5), std::pow(config.beta_end, 0.5),
                                count, at::kFloat),
                   2);
  }
  if (name == "squaredcos_cap_v2") return betas_for_alpha_bar(count, cosine_alpha_bar);
  if (name == "exp") return betas_for_alpha_bar(count, [](double t) { return std::exp(-12 * t); });
  if (name == "laplace") return betas_for_alpha_bar(count, laplace_alpha_bar);
  if (name == "sigmoid") {
    return at::sigmoid(at::linspace(-6, 6, count, at::kFloat)) *
               (config.beta_end - config.beta_start) +
           config.beta_start;
  }
  throw_value_error(place, "beta_schedule", "one that is known", name);
}

/// β such that the last timestep is noise alone: arXiv 2305.08891, algorithm 1.
at::Tensor rescale_zero_terminal_snr(const at::Tensor& betas) {
  auto roots = at::cumprod(1.0 - betas, 0).sqrt();
  const auto first = roots[0].clone(), last = roots[-1].clone();
  roots -= last;
  roots *= first / (first - last);
  const auto alphas_bar = at::pow(roots, 2);
  const auto count = alphas_bar.size(0);
  const auto alphas = alphas_bar.narrow(0, 1, count - 1) / alphas_bar.narrow(0, 0, count - 1);
  return 1 - at::cat({alphas_bar.narrow(0, 0, 1), alphas});
}

/// The values of timesteps `[B]`, to be multiplied with samples `[B, …]`.
at::Tensor at_timesteps(std::string_view place, const at::Tensor& values,
                        const at::Tensor& timesteps, const at::Tensor& samples) {
  check_shape(place, "timesteps", timesteps, {"B"});
  if (timesteps.is_floating_point()) {
    throw_value_error(place, "timesteps", "whole numbers", dtype_text(timesteps.scalar_type()));
  }
  std::vector<int64_t> shape(size_t(samples.dim()), 1);
  shape[0] = timesteps.size(0);
  const auto index = timesteps.to(values.device(), at::kLong);
  if (index.numel() > 0 &&
      (index.min().item<int64_t>() < 0 || index.max().item<int64_t>() >= values.size(0))) {
    throw_value_error(
        place, "timesteps", fmt::format("0 to {}", values.size(0) - 1),
        fmt::format("{} to {}", index.min().item<int64_t>(), index.max().item<int64_t>()));
  }
  return values.index_select(0, index).view(shape);
}

}  // namespace

at::Tensor make_alphas_cumprod(std::string_view place, const NoiseScheduleConfig& config,
                               bool zero_snr, std::optional<double> terminal_alpha) {
  auto betas = make_betas(place, config);
  if (zero_snr) betas = rescale_zero_terminal_snr(betas);
  auto alphas_cumprod = at::cumprod(1.0 - betas, 0);
  if (zero_snr && terminal_alpha) alphas_cumprod[-1] = *terminal_alpha;
  return alphas_cumprod;
}

at::Tensor element(const at::Tensor& values, int64_t index) {
  return values.select(0, index);
}

at::Tensor root(const at::Tensor& x) {
  return at::pow(x, 0.5);
}

at::Tensor add_noise_of(std::string_view place, const at::Tensor& alphas_cumprod,
                        const at::Tensor& original_samples, const at::Tensor& noise,
                        const at::Tensor& timesteps) {
  const auto alphas =
      at_timesteps(place, alphas_cumprod.to(original_samples), timesteps, original_samples);
  return root(alphas) * original_samples + root(1 - alphas) * noise;
}

at::Tensor velocity_of(std::string_view place, const at::Tensor& alphas_cumprod,
                       const at::Tensor& sample, const at::Tensor& noise,
                       const at::Tensor& timesteps) {
  const auto alphas = at_timesteps(place, alphas_cumprod.to(sample), timesteps, sample);
  return root(alphas) * noise - root(1 - alphas) * sample;
}

at::Tensor predicted_original(const std::string& prediction_type, const at::Tensor& model_output,
                              const at::Tensor& sample, const at::Tensor& alpha,
                              const at::Tensor& sigma) {
  if (prediction_type == "epsilon") return (sample - sigma * model_output) / alpha;
  if (prediction_type == "v_prediction") return alpha * sample - sigma * model_output;
  return model_output;
}

at::Tensor predicted_epsilon(const std::string& prediction_type, const at::Tensor& model_output,
                             const at::Tensor& sample, const at::Tensor& alpha,
                             const at::Tensor& sigma) {
  if (prediction_type == "sample") return (sample - alpha * model_output) / sigma;
  if (prediction_type == "v_prediction") return alpha * model_output + sigma * sample;
  return model_output;
}

at::Tensor in_range_of(const ThresholdConfig& config, const at::Tensor& sample) {
  if (!config.thresholding) {
    return config.clip_sample
               ? at::clamp(sample, -config.clip_sample_range, config.clip_sample_range)
               : sample;
  }
  const bool is_wide = sample.scalar_type() == at::kFloat || sample.scalar_type() == at::kDouble;
  const auto wide = (is_wide ? sample : sample.to(at::kFloat)).reshape({sample.size(0), -1});
  const auto most = at::clamp(at::quantile(at::abs(wide), config.dynamic_thresholding_ratio, 1), 1,
                              config.sample_max_value)
                        .unsqueeze(1);
  return (at::clamp(wide, -most, most) / most).reshape(sample.sizes()).to(sample.scalar_type());
}

at::Tensor draw_noise(std::string_view place, const at::Tensor& like,
                      const std::vector<at::Generator>& generators) {
  const auto draw = [&](at::IntArrayRef sizes, std::optional<at::Generator> generator) {
    const auto device = generator ? generator->device() : like.device();
    return at::randn(sizes, std::move(generator), like.options().device(device)).to(like.device());
  };
  if (generators.empty()) return draw(like.sizes(), std::nullopt);
  if (generators.size() == 1) return draw(like.sizes(), generators[0]);
  if (int64_t(generators.size()) != like.size(0)) {
    throw_value_error(place, "generators", fmt::format("none, 1 or {}", like.size(0)),
                      std::to_string(generators.size()));
  }
  auto sizes = like.sizes().vec();
  sizes[0] = 1;
  std::vector<at::Tensor> noise;
  for (const auto& generator : generators) noise.push_back(draw(sizes, generator));
  return at::cat(noise);
}

void check_step(std::string_view place, const Schedule& schedule, int64_t i) {
  if (i >= 0 && i < schedule.size()) return;
  throw_value_error(place, "i", fmt::format("0 to {}", schedule.size() - 1), std::to_string(i));
}

void begin_step(const Scheduler& scheduler, const Schedule& schedule,
                const at::Tensor& model_output, int64_t i, const at::Tensor& sample,
                SchedulerState& state, const StepOptions& options) {
  const auto place = scheduler.class_name();
  check_step(place, schedule, i);
  if (!sample.defined() || !model_output.defined() || sample.dim() < 1) {
    throw_value_error(place, "sample and model_output", "tensors", "nothing");
  }
  if (model_output.sizes() != sample.sizes()) {
    throw_value_error(place, "model_output", shape_text(sample.sizes()) + ", as the sample",
                      shape_text(model_output.sizes()));
  }
  const auto takes = scheduler.takes();
  const auto refuse_unless = [&](bool taken, std::optional<double> given, const char* name) {
    if (taken || !given) return;
    throw_value_error(place, name, "none: this scheduler has no such option",
                      fmt::format("{}", *given));
  };
  refuse_unless(takes.eta, options.eta, "eta");
  refuse_unless(takes.churn, options.s_churn, "s_churn");
  refuse_unless(takes.churn, options.s_tmin, "s_tmin");
  refuse_unless(takes.churn, options.s_tmax, "s_tmax");
  refuse_unless(takes.churn, options.s_noise, "s_noise");
  if (state.last_step && *state.last_step + 1 != i) {
    throw_value_error(place, "i", fmt::format("{}, the run's next step", *state.last_step + 1),
                      std::to_string(i));
  }
  if (!state.last_step) state.first_step = i;
  state.last_step = i;
}

at::Tensor Scheduler::scale_model_input(const Schedule&, const at::Tensor& sample, int64_t) const {
  return sample;
}

at::Tensor Scheduler::get_velocity(const at::Tensor&, const at::Tensor&, const at::Tensor&) const {
  throw ValueError("[" + class_name() + "] get_velocity: this scheduler has none");
}

}  // namespace xattn
