#include "xattn/training/diffusion_loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/mse_loss.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>

#include <vector>

#include "core/check.h"
#include "xattn/training/snr.h"

namespace xattn {
namespace {

constexpr auto kDiffusionLoss = "diffusion_loss";

at::Tensor target_of(const AlphaScheduler& scheduler, const DiffusionBatch& batch,
                     PredictionType type) {
  switch (type) {
    case PredictionType::kVPrediction:
      return scheduler.get_velocity(batch.latents, batch.noise.noise, batch.noise.timesteps);
    case PredictionType::kSample:
      return batch.latents;
    default:
      return batch.noise.noise;
  }
}

/// `[B]`
at::Tensor min_snr_weights(const at::Tensor& snr, double gamma, PredictionType type) {
  const auto least = snr.clamp_max(gamma);
  switch (type) {
    case PredictionType::kVPrediction:
      return least / (snr + 1);
    case PredictionType::kSample:
      return least;
    default:
      return least / snr;
  }
}

}  // namespace

PredictionType prediction_type(const std::string& name) {
  if (name == "epsilon") return PredictionType::kEpsilon;
  if (name == "v_prediction") return PredictionType::kVPrediction;
  if (name == "sample") return PredictionType::kSample;
  throw_value_error(kDiffusionLoss, "prediction_type", "epsilon, v_prediction or sample", name);
}

DiffusionNoise draw_diffusion_noise(const at::Tensor& latents, int64_t num_train_timesteps,
                                    const DiffusionNoiseOptions& options,
                                    const std::optional<at::Generator>& generator) {
  check_shape("draw_diffusion_noise", "latents", latents, {"B", "C", "H", "W"});
  check_at_least("draw_diffusion_noise", "num_train_timesteps", num_train_timesteps, 1);
  const auto device = generator && generator->defined() ? generator->device() : latents.device();
  const auto draw = [&](at::IntArrayRef shape, at::ScalarType dtype) {
    return at::randn(shape, generator, at::device(device).dtype(dtype)).to(latents.device());
  };
  DiffusionNoise drawn;
  const auto dtype = latents.scalar_type();
  drawn.noise = draw(latents.sizes(), dtype);
  if (options.noise_offset != 0) {
    // In float32, as the script draws it.
    const auto offset = draw({latents.size(0), latents.size(1), 1, 1}, at::kFloat);
    drawn.noise += options.noise_offset * offset;
  }
  drawn.added_noise = drawn.noise;
  if (options.input_perturbation != 0)
    drawn.added_noise = drawn.noise + options.input_perturbation * draw(latents.sizes(), dtype);
  drawn.timesteps = at::randint(0, num_train_timesteps, {latents.size(0)}, generator,
                                at::device(device).dtype(at::kLong))
                        .to(latents.device());
  return drawn;
}

at::Tensor diffusion_loss(const UNet2DConditionModel& unet, const AlphaScheduler& scheduler,
                          const DiffusionBatch& batch, const DiffusionLossOptions& options) {
  const auto& latents = batch.latents;
  const auto& noise = batch.noise;
  check_shape(kDiffusionLoss, "latents", latents, {"B", "C", "H", "W"});
  for (const auto* tensor : {&noise.noise, &noise.added_noise}) {
    check_shape(kDiffusionLoss, tensor == &noise.noise ? "noise" : "added_noise", *tensor,
                {latents.size(0), latents.size(1), latents.size(2), latents.size(3)});
  }
  check_shape(kDiffusionLoss, "timesteps", noise.timesteps, {latents.size(0)});
  const auto target = target_of(scheduler, batch, options.prediction_type).to(at::kFloat);
  const auto noisy = scheduler.add_noise(Schedule(), latents, noise.added_noise, noise.timesteps);
  const auto output =
      unet.ptr()
          ->forward(noisy, noise.timesteps, batch.encoder_hidden_states, batch.arguments)
          .to(at::kFloat);
  if (!options.snr_gamma) return at::mse_loss(output, target);
  const auto weights = min_snr_weights(compute_snr(scheduler, noise.timesteps), *options.snr_gamma,
                                       options.prediction_type);
  const std::vector<int64_t> elements = {1, 2, 3};
  return (at::mse_loss(output, target, at::Reduction::None).mean(elements) * weights).mean();
}

}  // namespace xattn
