// xattn train text-to-image: the UNet and the text encoder of a Stable Diffusion.

#include "pipeline_folder.h"
#include "support/checks.h"
#include "support/program.h"
#include "support/progress_bar.h"
#include "support/text_lines.h"
#include "train_commands.h"
#include "train_options.h"
#include "xattn/training/text_to_image_training.h"

namespace xattn::apps {
namespace {

struct TrainTextToImageOptions {
  TrainOptions common;
  TextToImageTrainingOptions training;
  std::string vae, tokenizer, prediction_type;
};

TextToImageComponents make_components(const TrainTextToImageOptions& options) {
  if (!options.common.model.empty()) {
    check_pipeline_folder("train text-to-image", options.common.model);
    return open_text_to_image(options.common.model, options.prediction_type);
  }
  return make_text_to_image(read_whole_text("train text-to-image", options.common.config),
                            options.vae, options.tokenizer, options.prediction_type);
}

void check_train_usage(const CLI::App& command, TrainTextToImageOptions& options) {
  const auto from_configs = !options.common.config.empty();
  if (from_configs && (options.vae.empty() || options.tokenizer.empty()))
    throw UsageError("--config: expected --vae and --tokenizer beside it");
  if (!from_configs)
    refuse_options(command, {"--vae", "--tokenizer"}, "a --model, which has its own");
  if (from_configs && !options.training.train_text_encoder) {
    throw UsageError(
        "--config: expected --train-text-encoder beside it, for its weights are drawn");
  }
  if (options.common.random_crop)
    refuse_options(command, {"--latents"}, "--random-crop, which keeps no latents");
  const auto has_prompts = !options.training.validation_prompts.empty();
  if (has_prompts != options.common.run.validation_steps.has_value())
    throw UsageError("--validation-prompt and --validation-steps: expected both or none");
}

int train_text_to_image(const CLI::App& command, TrainTextToImageOptions& options) {
  auto& common = options.common;
  auto& training = options.training;
  check_train_usage(command, options);
  take_train_options(command, common, training);
  if (training.latents_file.empty())
    training.latents_file = common.run.output_dir + "/latents.safetensors";
  ProgressBar bar(!common.quiet);
  training.on_encoded = [&, begun = false](int64_t done, int64_t all) mutable {
    if (!begun) bar.begin("encoding pictures");
    begun = true;
    bar.update(done, all);
    if (done == all) bar.clear();
  };
  auto pictures = read_training_data(command, common, training);
  return run_train_command(common, training, [&] {
    return std::make_unique<TextToImageTraining>(make_components(options), std::move(pictures),
                                                 training);
  });
}

void add_model_options(CLI::App& command, TrainTextToImageOptions& options) {
  auto* model = command.add_option("-m,--model", options.common.model,
                                   "folder of the pipeline to train on (Stable Diffusion 1 or 2)");
  command
      .add_option("--config", options.common.config,
                  "or a JSON file of configs to begin with: unet, text_encoder, scheduler")
      ->excludes(model);
  command.add_option("--vae", options.vae, "beside --config: an autoencoder's folder");
  command.add_option("--tokenizer", options.tokenizer, "beside --config: a tokenizer's folder");
  command.add_flag("--train-text-encoder", options.training.train_text_encoder,
                   "train the text encoder too");
}

void add_loss_options(CLI::App& command, TrainTextToImageOptions& options) {
  auto& training = options.training;
  command
      .add_option("--prediction-type", options.prediction_type,
                  "what the UNet learns, in place of what its scheduler says")
      ->check(CLI::IsMember({"epsilon", "v_prediction", "sample"}));
  command
      .add_option("--snr-gamma", training.snr_gamma,
                  "of min-SNR weights, 5 in the literature; without it all timesteps count alike")
      ->check(positive_number());
  command
      .add_option("--noise-offset", training.noise.noise_offset,
                  "how far each channel's noise is shifted as a whole; 0 if not given")
      ->check(number_between(0, 10));
  command
      .add_option("--input-perturbation", training.noise.input_perturbation,
                  "noise that the UNet sees and does not learn; 0 if not given")
      ->check(number_between(0, 10));
  command
      .add_option("--caption-dropout", training.caption_dropout,
                  "how many captions are empty, which guidance needs: 0.1 is usual; 0 if not given")
      ->check(number_between(0, 1));
  command.add_option("--latents", training.latents_file,
                     "file that keeps the pictures' latents; in --output if not given");
}

void add_validation_options(CLI::App& command, TextToImageTrainingOptions& training) {
  command.add_option("--validation-prompt", training.validation_prompts,
                     "of a sample picture; may be given again");
  command
      .add_option("--validation-inference-steps", training.validation_inference_steps,
                  "of the samples; 25 if not given")
      ->check(positive_integer());
  command
      .add_option("--validation-guidance-scale", training.validation_guidance_scale,
                  "of the samples; 7.5 if not given")
      ->check(any_number());
}

}  // namespace

Command add_train_text_to_image(CLI::App& train) {
  auto options = std::make_shared<TrainTextToImageOptions>();
  auto* command = train.add_subcommand(
      "text-to-image", "Trains the UNet of a Stable Diffusion, and if asked its text encoder.");
  add_model_options(*command, *options);
  add_train_options(*command, options->common, options->training);
  add_loss_options(*command, *options);
  add_validation_options(*command, options->training);
  return [command, options] { return train_text_to_image(*command, *options); };
}

}  // namespace xattn::apps
