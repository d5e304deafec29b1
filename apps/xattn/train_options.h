#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "xattn/training/image_folder.h"
#include "xattn/training/run_training.h"
#include "xattn/training/training_options.h"

namespace xattn::apps {

/// What `xattn train text-to-image` and `xattn train autoencoder` have in common, as it is typed.
struct TrainOptions {
  std::string data, model, config, device = "auto";
  bool skip_bad = false, random_crop = false, no_channels_last = false, quiet = false;
  std::optional<int64_t> num_train_epochs, max_train_steps, threads;
  std::string lr_scheduler = "constant", step_rules, mixed_precision = "no";
  std::optional<double> ema_decay;
  TrainingRunOptions run;
};

/// Registers them. `training` has the ones that are the library's own.
void add_train_options(CLI::App& command, TrainOptions& options, TrainingOptions& training);

/// Checks what the library cannot, and fills in the library's options.
///
/// Throws: `UsageError`.
void take_train_options(const CLI::App& command, TrainOptions& options, TrainingOptions& training);

/// What the run's numbers depend on, as JSON: options as they were typed, and the number of
/// pictures.
std::string options_of_numbers(const CLI::App& command, const TrainOptions& options,
                               int64_t pictures);

/// Reads the data, with a line for what is passed over or not used, sets the number of steps and
/// says what is learned from.
std::vector<CaptionedPicture> read_training_data(const CLI::App& command, TrainOptions& options,
                                                 TrainingOptions& training);

/// A run from the command line: the bar, Ctrl-C, a closing line. `make` makes what is trained.
int run_train_command(const TrainOptions& options, const TrainingOptions& training,
                      const std::function<std::unique_ptr<Training>()>& make);

}  // namespace xattn::apps
