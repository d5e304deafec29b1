// What `xattn train` shows of a run.

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/utils.h>
#include <unistd.h>

#include "support/interrupt.h"
#include "support/program.h"
#include "support/progress_bar.h"
#include "support/terminal.h"
#include "train_options.h"

namespace xattn::apps {
namespace {

void print_note(const TrainOptions& options, const std::string& line) {
  if (!options.quiet) fmt::print(stderr, "xattn: {}\n", line);
}

std::string plural(int64_t count, const char* what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

}  // namespace

std::vector<CaptionedPicture> read_training_data(const CLI::App& command, TrainOptions& options,
                                                 TrainingOptions& training) {
  auto folder = read_image_folder(options.data, {.skip_bad = options.skip_bad});
  // What was left out is said even quietly: the model does not know it.
  constexpr size_t kShown = 10;
  for (size_t i = 0; i < std::min(kShown, folder.skipped.size()); ++i)
    fmt::print(stderr, "xattn: skipped {}\n", folder.skipped[i]);
  if (folder.skipped.size() > kShown)
    fmt::print(stderr, "xattn: skipped {} more\n", folder.skipped.size() - kShown);
  for (const auto& note : folder.notes) print_note(options, note);

  const auto pictures = static_cast<int64_t>(folder.pictures.size());
  options.run.options = options_of_numbers(command, options, pictures);
  if (options.num_train_epochs) {
    const auto a_step = training.train_batch_size * training.gradient_accumulation_steps;
    options.run.max_train_steps = (*options.num_train_epochs * pictures + a_step - 1) / a_step;
  }
  training.lr_scheduler.num_training_steps = options.run.max_train_steps;
  print_note(options,
             fmt::format("{}, {} of {}", plural(pictures, "picture"),
                         plural(options.run.max_train_steps, "step"),
                         training.train_batch_size * training.gradient_accumulation_steps));
  return std::move(folder.pictures);
}

int run_train_command(const TrainOptions& options, const TrainingOptions& training,
                      const std::function<std::unique_ptr<Training>()>& make) {
  if (options.threads) at::set_num_threads(static_cast<int>(*options.threads));
  Interrupt interrupt("xattn: stopped before the first step\n");
  torch::manual_seed(training.seed);
  const auto in_training = make();
  auto run = options.run;
  ProgressBar bar(!options.quiet);
  bar.begin("");
  double loss = 0;
  run.on_step = [&](const TrainingLogEntry& entry) {
    constexpr double kNewestLoss = 0.02;  // single losses jump
    loss = loss == 0 ? entry.loss : kNewestLoss * entry.loss + (1 - kNewestLoss) * loss;
    bar.relabel(fmt::format("loss {:.4g}  {:.1f} pictures/s", loss, entry.pictures_per_second));
    bar.update(entry.step, run.max_train_steps);
  };
  run.stop = interrupt.token();
  interrupt.wait_for_the_run();
  const auto result = run_training(*in_training, run);
  bar.clear();
  if (result.resumed_from > 0)
    print_note(options, fmt::format("went on from step {}", result.resumed_from));
  if (result.stopped) {
    fmt::print(stderr, "xattn: stopped after {} of {} steps; --resume goes on\n", result.step,
               run.max_train_steps);
    return interrupt.exit_code();
  }
  if (!options.quiet)
    fmt::print("{}: the model, {}, its log, loss.png{}\n", run.output_dir,
               plural(result.step, "step"), run.validation_steps ? ", samples.png" : "");
  return kDone;
}

}  // namespace xattn::apps
