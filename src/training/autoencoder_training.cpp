#include "xattn/training/autoencoder_training.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/std.h>

#include <utility>

#include "core/check.h"
#include "training/model_optimizer.h"
#include "training/picture_batches.h"
#include "xattn/pipelines/vae_image_processor.h"
#include "xattn/pretrained/save_pretrained.h"
#include "xattn/training/autoencoder_step.h"

namespace xattn {
namespace {

constexpr auto kAutoencoderTraining = "AutoencoderTraining";
constexpr auto kVae = "vae";
constexpr int64_t kSamples = 8, kMeasuredPictures = 256, kAtOnce = 8;

/// What stays as it is needs no gradients.
void freeze_encoder(AutoencoderKLImpl& model) {
  for (const auto& item : model.named_parameters()) {
    const auto& name = item.key();
    if (name.starts_with("encoder.") || name.starts_with("quant_conv."))
      item.value().requires_grad_(false);
  }
}

}  // namespace

struct AutoencoderTraining::Parts {
  Parts(AutoencoderKL model, std::vector<CaptionedPicture> pictures,
        const AutoencoderTrainingOptions& options)
      : options(options),
        model(std::move(model)),
        batches(std::move(pictures), options),
        optimizer({{kVae, this->model.ptr()}}, options) {}

  at::Tensor latents_of(const at::Tensor& images) const {
    const at::NoGradGuard no_grad;
    std::vector<at::Tensor> means;
    for (const auto& some : images.split(kAtOnce)) means.push_back(model.ptr()->encode(some).mean);
    return at::cat(means);
  }

  std::vector<at::Tensor> pictures_of(const at::Tensor& images) const {
    return VaeImageProcessor().postprocess(images);
  }

  const AutoencoderTrainingOptions options;
  AutoencoderKL model;
  PictureBatches batches;
  ModelOptimizer optimizer;
};

AutoencoderTraining::AutoencoderTraining(AutoencoderKL model,
                                         std::vector<CaptionedPicture> pictures,
                                         const AutoencoderTrainingOptions& options) {
  if (model->config.in_channels != 3 || model->config.out_channels != 3) {
    throw_value_error(kAutoencoderTraining, "in_channels and out_channels", "3, as pictures have",
                      cat(model->config.in_channels, " and ", model->config.out_channels));
  }
  if (options.decoder_only) freeze_encoder(*model);
  parts_ = std::make_unique<Parts>(std::move(model), std::move(pictures), options);
}

AutoencoderTraining::~AutoencoderTraining() = default;

TrainingStep AutoencoderTraining::step() {
  auto& parts = *parts_;
  const AutoencoderOptions step_options{.loss = parts.options.loss,
                                        .autocast = parts.options.mixed_precision};
  TrainingStep done;
  const auto count = parts.options.gradient_accumulation_steps;
  const auto add = [&, part = 1.0 / static_cast<double>(count)](const char* name,
                                                                const at::Tensor& value) {
    if (value.defined()) done.more[name] += part * value.item<double>();
  };
  for (bool stepped = false; !stepped;) {
    const auto batch = parts.batches.next();
    const auto result = naming_pictures(parts.batches.names(batch.turns), [&] {
      return autoencoder_step(parts.optimizer.step(), parts.model, batch.pixel_values,
                              step_options);
    });
    stepped = add_result(done, result.step, batch.turns.size(), count);
    add("reconstruction", result.parts.reconstruction);
    add("edges", result.parts.edges);
    add("kl", result.parts.kl);
  }
  return done;
}

void AutoencoderTraining::save(TrainingCheckpoint& checkpoint) const {
  parts_->optimizer.save(checkpoint);
  checkpoint.place = parts_->batches.place();
}

void AutoencoderTraining::load(const TrainingCheckpoint& checkpoint) {
  parts_->optimizer.load(checkpoint);
  parts_->batches.seek(checkpoint.place);
}

std::vector<at::Tensor> AutoencoderTraining::samples() {
  const at::NoGradGuard no_grad;
  const ModelOptimizer::Inference inference(parts_->optimizer);
  const auto latents = parts_->latents_of(parts_->batches.chosen(kSamples));
  return parts_->pictures_of(parts_->model.ptr()->decode(latents));
}

std::vector<at::Tensor> AutoencoderTraining::originals() {
  return parts_->pictures_of(parts_->batches.chosen(kSamples));
}

void AutoencoderTraining::save_pretrained(const std::string& folder) {
  const at::NoGradGuard no_grad;
  const ModelOptimizer::Inference inference(parts_->optimizer);
  auto& config = parts_->model->config;
  if (!parts_->options.decoder_only) {
    const auto latents = parts_->latents_of(parts_->batches.chosen(kMeasuredPictures));
    config.scaling_factor = 1 / latents.std().item<double>();
  }
  xattn::save_pretrained(parts_->model, folder);
}

}  // namespace xattn
