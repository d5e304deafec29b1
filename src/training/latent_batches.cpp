#include "training/latent_batches.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/randn.h>

#include <utility>

namespace xattn {

LatentBatches::LatentBatches(AutoencoderKL vae, std::vector<CaptionedPicture> pictures,
                             const TrainingOptions& options, const std::string& file,
                             const std::function<void(int64_t, int64_t)>& on_encoded)
    : vae_(std::move(vae)),
      options_(options),
      pictures_(pictures, options),
      order_(static_cast<int64_t>(pictures.size()), options.train_batch_size, options.seed) {
  vae_->to(options.device);
  vae_->eval();
  if (options.transform.crop == Crop::kRandom) return;
  cache_ = std::make_unique<LatentCache>(file, vae_, std::move(pictures),
                                         ImageTransform(options.transform),
                                         LatentCacheOptions{.progress = on_encoded});
}

/// What the UNet takes of a posterior: (mean + std · noise − shift) · scale.
at::Tensor LatentBatches::sampled(const at::Tensor& mean, const at::Tensor& std) const {
  const auto noise = at::randn(mean.sizes(), at::TensorOptions(at::kFloat)).to(mean.device());
  const auto& config = vae_->config;
  const auto latents = mean + std * noise;
  return placed((latents - config.shift_factor.value_or(0)) * config.scaling_factor, options_);
}

CaptionedLatents LatentBatches::next() {
  const at::NoGradGuard no_grad;
  if (cache_) {
    const auto turns = order_.next();
    auto batch = cache_->batch(turns);
    return {sampled(batch.mean, batch.std), std::move(batch.captions), pictures_.names(turns)};
  }
  auto batch = pictures_.next();
  const auto posterior = vae_.ptr()->encode(batch.pixel_values);
  return {sampled(posterior.mean, posterior.std), std::move(batch.captions),
          pictures_.names(batch.turns)};
}

DataPlace LatentBatches::place() const {
  return cache_ ? order_.place() : pictures_.place();
}

void LatentBatches::seek(const DataPlace& place) {
  order_.seek(place);
  pictures_.seek(place);
}

}  // namespace xattn
