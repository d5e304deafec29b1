// xattn train autoencoder: an AutoencoderKL that learns from pictures.

#include "support/checks.h"
#include "support/text_lines.h"
#include "train_commands.h"
#include "train_options.h"
#include "xattn/pretrained/from_pretrained.h"
#include "xattn/training/autoencoder_training.h"

namespace xattn::apps {
namespace {

struct TrainAutoencoderOptions {
  TrainOptions common;
  AutoencoderTrainingOptions training;
  std::string reconstruction = "l1";
};

AutoencoderKL make_autoencoder(const TrainOptions& options) {
  if (!options.model.empty()) return from_pretrained<AutoencoderKL>(options.model);
  const auto text = read_whole_text("train autoencoder", options.config);
  try {
    return AutoencoderKL(AutoencoderKLConfig::from_json(text));
  } catch (const ValueError& error) {
    throw ValueError(options.config + ": " + error.what());
  }
}

int train_autoencoder(const CLI::App& command, TrainAutoencoderOptions& options) {
  auto& common = options.common;
  auto& training = options.training;
  take_train_options(command, common, training);
  if (options.reconstruction == "l2") training.loss.reconstruction = ReconstructionLoss::kL2;
  auto pictures = read_training_data(command, common, training);
  return run_train_command(common, training, [&] {
    return std::make_unique<AutoencoderTraining>(make_autoencoder(common), std::move(pictures),
                                                 training);
  });
}

}  // namespace

Command add_train_autoencoder(CLI::App& train) {
  auto options = std::make_shared<TrainAutoencoderOptions>();
  auto* command = train.add_subcommand(
      "autoencoder", "Trains an AutoencoderKL: pictures to latents and back; captions count not.");
  auto* model =
      command->add_option("-m,--model", options->common.model, "folder of the model to train on");
  command
      ->add_option("--config", options->common.config,
                   "or a config.json of a model to begin with, whose weights are drawn")
      ->excludes(model);
  add_train_options(*command, options->common, options->training);
  command
      ->add_option("--reconstruction", options->reconstruction,
                   "how pictures are compared: l1 (if not given) or l2")
      ->check(CLI::IsMember({"l1", "l2"}));
  command
      ->add_option("--edge-weight", options->training.loss.edge_weight,
                   "of the differences between neighbouring pixels; 0 if not given")
      ->check(number_between(0, 1e6));
  command
      ->add_option("--kl-weight", options->training.loss.kl_weight,
                   "of the latents' divergence from a normal distribution; 1e-6 if not given")
      ->check(number_between(0, 1e6));
  command->add_flag("--decoder-only", options->training.decoder_only,
                    "leave the encoder, and so the latents that a UNet knows, as it is");
  return [command, options] { return train_autoencoder(*command, *options); };
}

}  // namespace xattn::apps
