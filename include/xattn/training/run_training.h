#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "xattn/core/export.h"
#include "xattn/pipelines/cancellation.h"
#include "xattn/training/training.h"
#include "xattn/training/training_log.h"

namespace xattn {

/// How a run goes; names are those of diffusers' scripts.
struct TrainingRunOptions {
  /// Where everything of the run goes; it is made where it is not there.
  std::string output_dir;
  int64_t max_train_steps = 1;
  /// A checkpoint after so many steps, and one at the end.
  int64_t checkpointing_steps = 500;
  /// How many of them stay.
  int64_t checkpoints_total_limit = 3;
  /// Whether to go on from the newest checkpoint that is whole, if there is one.
  bool resume_from_checkpoint = false;
  /// Sample pictures after so many steps, and at the end; none: no pictures.
  std::optional<int64_t> validation_steps = std::nullopt;
  /// What the run depends on, a JSON object: a run goes on with the same ones only.
  std::string options = "{}";
  /// After each step.
  std::function<void(const TrainingLogEntry& entry)> on_step = {};
  /// Looked at after each step: the run then saves a checkpoint and returns.
  StopToken stop = {};
};

/// How a run ended.
struct TrainingRunResult {
  /// The steps that are done.
  int64_t step = 0;
  /// The step that it went on from; 0 where it began.
  int64_t resumed_from = 0;
  bool stopped = false;
};

/// A run's folder that is looked at before the models are loaded.
///
/// Throws: `ValueError` where a run would write over an earlier one: there is a log or a checkpoint
/// and `resume_from_checkpoint` is false. `FileError` for a folder that cannot be made.
XATTN_API void check_training_folder(const TrainingRunOptions& options);

/// Trains until all steps are done or it is told to stop.
///
/// The folder then has
/// - the model, as `Training::save_pretrained` writes it, once all steps are done;
/// - `checkpoint-000500/`, … (`save_training_checkpoint`);
/// - `log.jsonl` (`TrainingLog`), a line a step, and `loss.png`, its curve;
/// - `samples/step-000500.png`, …, and `samples.png`: the pictures over time.
///
/// A run that is killed at any moment and goes on gives the bits of one that was not.
///
/// Checkpoints that are passed over because they are not whole are named in a warning
/// (`TORCH_WARN`).
///
/// Throws: `ValueError` for options out of range or other than those of the run that it goes on
/// from, naming each; `NotFiniteError` as `Training::step`; `FileError` where something cannot be
/// written.
XATTN_API TrainingRunResult run_training(Training& training, const TrainingRunOptions& options);

}  // namespace xattn
