#include "xattn/training/text_to_image_training.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>

#include <utility>

#include "core/check.h"
#include "training/latent_batches.h"
#include "training/model_optimizer.h"
#include "xattn/models/clip/tokenize.h"
#include "xattn/pipelines/stable_diffusion_pipeline.h"
#include "xattn/training/text_to_image_step.h"

namespace xattn {
namespace {

constexpr auto kTextToImageTraining = "TextToImageTraining";

void freeze(torch::nn::Module& module) {
  for (auto& parameter : module.parameters()) parameter.requires_grad_(false);
}

/// What is trained, by the names of the parts.
std::vector<TrainedModel> trained_models(const TextToImageComponents& components,
                                         bool with_text_encoder) {
  std::vector<TrainedModel> models = {{"unet", components.unet.ptr()}};
  if (with_text_encoder) models.push_back({"text_encoder", components.text_encoder.ptr()});
  return models;
}

void check_resolution(const TextToImageComponents& components, int64_t resolution) {
  const auto factor = vae_scale_factor(components.vae);
  if (resolution % factor == 0) return;
  throw_value_error(kTextToImageTraining, "resolution",
                    cat("a multiple of ", factor, ", the autoencoder's factor"), cat(resolution));
}

}  // namespace

struct TextToImageTraining::Parts {
  Parts(TextToImageComponents given, std::vector<CaptionedPicture> pictures,
        const TextToImageTrainingOptions& options)
      : options(options),
        components(std::move(given)),
        batches(components.vae, std::move(pictures), options, options.latents_file,
                options.on_encoded),
        optimizer(trained_models(components, options.train_text_encoder), options),
        models{components.unet, components.text_encoder, *components.noise_scheduler} {
    components.text_encoder->to(options.device);
    const auto empty = tokenized({std::string()});
    step_options.noise = options.noise;
    step_options.loss = {
        .prediction_type = prediction_type(components.noise_scheduler->config().prediction_type),
        .snr_gamma = options.snr_gamma};
    step_options.caption_dropout = options.caption_dropout;
    step_options.empty_caption = empty[0];
    step_options.autocast = options.mixed_precision;
  }

  at::Tensor tokenized(const std::vector<std::string>& texts) const {
    return tokenize(components.tokenizer, texts).input_ids.to(options.device);
  }

  const TextToImageTrainingOptions options;
  TextToImageComponents components;
  LatentBatches batches;
  ModelOptimizer optimizer;
  TextToImageModels models;
  TextToImageOptions step_options;
};

TextToImageTraining::TextToImageTraining(TextToImageComponents components,
                                         std::vector<CaptionedPicture> pictures,
                                         const TextToImageTrainingOptions& options) {
  check_resolution(components, options.transform.resolution);
  freeze(*components.vae);
  if (!options.train_text_encoder) freeze(*components.text_encoder);
  parts_ = std::make_unique<Parts>(std::move(components), std::move(pictures), options);
}

TextToImageTraining::~TextToImageTraining() = default;

TrainingStep TextToImageTraining::step() {
  auto& parts = *parts_;
  TrainingStep done;
  for (bool stepped = false; !stepped;) {
    const auto batch = parts.batches.next();
    const auto result = naming_pictures(batch.pictures, [&] {
      return text_to_image_step(parts.optimizer.step(), parts.models,
                                {batch.latents, parts.tokenized(batch.captions)},
                                parts.step_options);
    });
    stepped =
        add_result(done, result, batch.pictures.size(), parts.options.gradient_accumulation_steps);
  }
  return done;
}

void TextToImageTraining::save(TrainingCheckpoint& checkpoint) const {
  parts_->optimizer.save(checkpoint);
  checkpoint.place = parts_->batches.place();
}

void TextToImageTraining::load(const TrainingCheckpoint& checkpoint) {
  parts_->optimizer.load(checkpoint);
  parts_->batches.seek(checkpoint.place);
}

std::vector<at::Tensor> TextToImageTraining::samples() {
  const ModelOptimizer::Inference inference(parts_->optimizer);
  const auto& options = parts_->options;
  const auto& components = parts_->components;
  StableDiffusionPipeline pipeline;
  pipeline.tokenizer = components.tokenizer;
  pipeline.text_encoder = components.text_encoder;
  pipeline.unet = components.unet;
  pipeline.vae = components.vae;
  pipeline.scheduler = components.scheduler;
  std::vector<at::Tensor> pictures;
  for (const auto& prompt : options.validation_prompts) {
    PipelineArguments arguments;
    arguments.prompt = {prompt};
    arguments.num_inference_steps = options.validation_inference_steps;
    arguments.guidance_scale = options.validation_guidance_scale;
    arguments.height = arguments.width = options.transform.resolution;
    const auto seed = options.seed + pictures.size();
    arguments.generators = {at::make_generator<at::CPUGeneratorImpl>(seed)};
    pictures.push_back(pipeline(arguments).images[0]);
  }
  return pictures;
}

void TextToImageTraining::save_pretrained(const std::string& folder) {
  const ModelOptimizer::Inference inference(parts_->optimizer);
  save_text_to_image(parts_->components, folder);
}

}  // namespace xattn
