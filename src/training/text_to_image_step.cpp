#include "xattn/training/text_to_image_step.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "core/check.h"
#include "xattn/core/autocast.h"
#include "xattn/training/caption_dropout.h"

namespace xattn {
namespace {

constexpr auto kTextToImage = "text_to_image_loss";

bool is_trained(const torch::nn::Module& module) {
  const auto parameters = module.parameters();
  return std::any_of(parameters.begin(), parameters.end(),
                     [](const at::Tensor& parameter) { return parameter.requires_grad(); });
}

at::Tensor features_of(const TextToImageModels& models, const at::Tensor& captions) {
  if (!models.text_encoder) return captions;
  const at::AutoGradMode record(c10::GradMode::is_enabled() && is_trained(*models.text_encoder));
  return models.text_encoder.ptr()->forward(captions).last_hidden_state;
}

at::Tensor dropped_captions(const at::Tensor& captions, const TextToImageOptions& options) {
  if (options.caption_dropout == 0) return captions;
  if (!options.empty_caption.defined()) {
    throw_value_error(kTextToImage, "empty_caption", "a tensor, with caption_dropout",
                      "an undefined tensor");
  }
  const auto dropped =
      draw_caption_dropout(captions.size(0), options.caption_dropout, options.generator);
  return drop_captions(captions, dropped, options.empty_caption);
}

}  // namespace

at::Tensor text_to_image_loss(const TextToImageModels& models, const TextToImageBatch& batch,
                              const TextToImageOptions& options) {
  if (!batch.captions.defined() || !batch.latents.defined() ||
      batch.captions.dim() != (models.text_encoder ? 2 : 3) ||
      batch.captions.size(0) != batch.latents.size(0)) {
    throw_value_error(
        kTextToImage, "captions",
        models.text_encoder ? "[B, T], B as latents" : "[B, T, E], B as latents",
        batch.captions.defined() ? shape_text(batch.captions.sizes()) : "an undefined tensor");
  }
  DiffusionBatch drawn{.latents = batch.latents};
  drawn.noise = draw_diffusion_noise(batch.latents, models.scheduler.num_train_timesteps(),
                                     options.noise, options.generator);
  const auto captions = dropped_captions(batch.captions, options);
  std::optional<Autocast> autocast;
  if (options.autocast) autocast.emplace(batch.latents.device().type(), *options.autocast);
  drawn.encoder_hidden_states = features_of(models, captions);
  return diffusion_loss(models.unet, models.scheduler, drawn, options.loss);
}

OptimizerStepResult text_to_image_step(OptimizerStep& step, const TextToImageModels& models,
                                       const TextToImageBatch& batch,
                                       const TextToImageOptions& options) {
  return step(text_to_image_loss(models, batch, options));
}

}  // namespace xattn
