#include "train_options.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "support/checks.h"
#include "support/device.h"
#include "support/program.h"

namespace xattn::apps {
namespace {

void add_data_options(CLI::App& command, TrainOptions& options, TrainingOptions& training) {
  command
      .add_option("--data", options.data,
                  "folder of pictures with metadata.jsonl, or with a .txt beside each picture")
      ->required();
  command
      .add_option("--resolution", training.transform.resolution,
                  "height and width that pictures are resized and cropped to; 512 if not given")
      ->check(whole_number_between(8, 65536));
  command.add_flag("--random-crop", options.random_crop,
                   "crop where chance will have it, not in the centre");
  command.add_flag("--random-flip", training.transform.random_flip, "mirror half of the pictures");
  command.add_flag("--skip-bad", options.skip_bad,
                   "leave out what cannot be used of the data, and say so");
  command.add_option("--train-batch-size", training.train_batch_size, "pictures; 16 if not given")
      ->check(whole_number_between(1, 1'000'000));
  command
      .add_option("--dataloader-num-workers", training.dataloader_num_workers,
                  "threads that read pictures ahead; 1 if not given")
      ->check(whole_number_between(1, 256));
}

void add_optimizer_options(CLI::App& command, TrainOptions& options, TrainingOptions& training) {
  auto* steps = command
                    .add_option("--max-train-steps", options.max_train_steps,
                                "steps of the optimizer, all in all")
                    ->check(positive_integer());
  command.add_option("--num-train-epochs", options.num_train_epochs, "or turns of each picture")
      ->check(whole_number_between(1, 1'000'000'000))
      ->excludes(steps);
  command.add_option("--learning-rate", training.learning_rate, "1e-4 if not given")
      ->check(positive_number());
  command.add_option("--lr-scheduler", options.lr_scheduler, "how it goes; constant if not given")
      ->check(CLI::IsMember({"constant", "constant_with_warmup", "linear", "cosine",
                             "cosine_with_restarts", "polynomial", "piecewise_constant"}));
  command
      .add_option("--lr-warmup-steps", training.lr_scheduler.num_warmup_steps,
                  "steps over which it rises from 0")
      ->check(whole_number());
  command
      .add_option("--lr-num-cycles", training.lr_scheduler.num_cycles,
                  "of cosine_with_restarts; 1 if not given")
      ->check(positive_integer());
  command.add_option("--lr-power", training.lr_scheduler.power, "of polynomial; 1 if not given")
      ->check(positive_number());
  command.add_option("--step-rules", options.step_rules,
                     "of piecewise_constant: 1:100,0.1:200,0.01 is a tenth from step 100 on");
  command.add_option("--adam-beta1", training.adam_beta1, "0.9 if not given")
      ->check(number_between(0, 0.999999));
  command.add_option("--adam-beta2", training.adam_beta2, "0.999 if not given")
      ->check(number_between(0, 0.999999));
  command.add_option("--adam-weight-decay", training.adam_weight_decay, "0.01 if not given")
      ->check(number_between(0, 1));
  command.add_option("--adam-epsilon", training.adam_epsilon, "1e-8 if not given")
      ->check(positive_number());
  command
      .add_option_function<double>(
          "--max-grad-norm",
          [&training](double norm) {
            training.max_grad_norm = norm > 0 ? std::optional(norm) : std::nullopt;
          },
          "what all gradients' norm is clipped to, 0 for not at all; 1 if not given")
      ->check(number_between(0, 1e9));
  command
      .add_option("--gradient-accumulation-steps", training.gradient_accumulation_steps,
                  "batches of a step; 1 if not given")
      ->check(whole_number_between(1, 1'000'000));
  command.add_flag("--gradient-checkpointing", training.gradient_checkpointing,
                   "compute layers again in backward: less memory, more time, the same gradients");
  command
      .add_option("--mixed-precision", options.mixed_precision,
                  "no or bf16: what multiplications and convolutions are computed in")
      ->check(CLI::IsMember({"no", "bf16"}));
  auto* ema = command.add_flag_function(
      "--use-ema", [&training](int64_t) { training.ema.emplace(); },
      "show and save averages of the weights");
  command
      .add_option("--ema-decay", options.ema_decay,
                  "the most that is kept of the averages in a step; 0.9999 if not given")
      ->check(number_between(0, 1))
      ->needs(ema);
}

void add_machine_options(CLI::App& command, TrainOptions& options) {
  command.add_option("--device", options.device, "auto, cpu, cuda or cuda:N");
  command.add_option("--threads", options.threads, "of the CPU; without it, all")
      ->check(whole_number_between(1, 4096));
  command.add_flag("--no-channels-last", options.no_channels_last,
                   "lay channels one behind the other, which some processors compute faster");
}

void add_run_options(CLI::App& command, TrainOptions& options, TrainingOptions& training) {
  auto& run = options.run;
  command.add_option("-o,--output", run.output_dir, "folder for the model and all of the run")
      ->required();
  command.add_option("--seed", training.seed, "of all that is drawn; 0 if not given")
      ->check(whole_number());
  command
      .add_option("--checkpointing-steps", run.checkpointing_steps,
                  "save what --resume goes on from after so many steps; 500 if not given")
      ->check(positive_integer());
  command
      .add_option("--checkpoints-total-limit", run.checkpoints_total_limit,
                  "how many of these stay; 3 if not given")
      ->check(positive_integer());
  command.add_flag("--resume", run.resume_from_checkpoint,
                   "go on from the newest checkpoint in --output, with the same options");
  command
      .add_option("--validation-steps", run.validation_steps,
                  "make sample pictures after so many steps, and at the end")
      ->check(positive_integer());
  command.add_flag("--quiet", options.quiet, "print nothing but warnings and errors");
}

void refuse_without(const CLI::App& command, const char* option, bool is_used,
                    const std::string& with) {
  if (command.count(option) > 0 && !is_used)
    throw UsageError(std::string(option) + ": expected " + with);
}

}  // namespace

void add_train_options(CLI::App& command, TrainOptions& options, TrainingOptions& training) {
  add_data_options(command, options, training);
  add_optimizer_options(command, options, training);
  add_machine_options(command, options);
  add_run_options(command, options, training);
}

void take_train_options(const CLI::App& command, TrainOptions& options, TrainingOptions& training) {
  if (options.model.empty() == options.config.empty())
    throw UsageError("one of --model and --config is required");
  if (!options.max_train_steps && !options.num_train_epochs)
    throw UsageError("one of --max-train-steps and --num-train-epochs is required");
  const auto& kind = options.lr_scheduler;
  refuse_without(command, "--lr-warmup-steps", kind != "constant" && kind != "piecewise_constant",
                 "a --lr-scheduler that warms up, such as constant_with_warmup");
  refuse_without(command, "--lr-num-cycles", kind == "cosine_with_restarts",
                 "--lr-scheduler cosine_with_restarts");
  refuse_without(command, "--lr-power", kind == "polynomial", "--lr-scheduler polynomial");
  if (options.step_rules.empty() == (kind == "piecewise_constant"))
    throw UsageError("--step-rules and --lr-scheduler piecewise_constant: expected both or none");
  training.lr_scheduler.type = lr_scheduler_type(kind);
  if (!options.step_rules.empty()) {
    try {
      set_step_rules(training.lr_scheduler, options.step_rules);
    } catch (const ValueError& error) {
      throw UsageError(std::string("--step-rules: ") + error.what());
    }
  }
  if (options.random_crop) training.transform.crop = Crop::kRandom;
  if (options.mixed_precision == "bf16") training.mixed_precision = at::kBFloat16;
  if (options.ema_decay) training.ema->decay = *options.ema_decay;
  training.channels_last = !options.no_channels_last;
  training.device = parse_device(options.device);
  // Before anything is read: a run of days should not end by a mistyped folder.
  options.run.max_train_steps = options.max_train_steps.value_or(1);
  std::error_code error;
  for (const auto& input : {options.data, options.model}) {
    if (!input.empty() && std::filesystem::equivalent(input, options.run.output_dir, error))
      throw UsageError("--output: expected another folder than the input " + input);
  }
  try {
    check_training_folder(options.run);
  } catch (const ValueError&) {
    throw UsageError("--output: " + options.run.output_dir +
                     " has a run; --resume goes on with it");
  }
}

std::string options_of_numbers(const CLI::App& command, const TrainOptions& options,
                               int64_t pictures) {
  static const std::set<std::string> kOthers = {"help",
                                                "output",
                                                "resume",
                                                "quiet",
                                                "threads",
                                                "device",
                                                "data",
                                                "skip-bad",
                                                "latents",
                                                "dataloader-num-workers",
                                                "checkpointing-steps",
                                                "checkpoints-total-limit",
                                                "validation-steps",
                                                "validation-prompt",
                                                "validation-inference-steps",
                                                "validation-guidance-scale"};
  nlohmann::ordered_json typed = nlohmann::ordered_json::object();
  for (const auto* option : command.get_options()) {
    const auto name = option->get_lnames().empty() ? "" : option->get_lnames().front();
    if (name.empty() || kOthers.count(name) > 0 || option->count() == 0) continue;
    // How long a run is, is of no consequence where the learning rate does not fall.
    const auto is_length = name == "max-train-steps" || name == "num-train-epochs";
    if (is_length && options.lr_scheduler.starts_with("constant")) continue;
    typed[name] = option->results().size() == 1 ? option->results().front()
                                                : nlohmann::json(option->results()).dump();
  }
  typed["pictures"] = pictures;
  return typed.dump();
}

}  // namespace xattn::apps
