#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "xattn/core/export.h"
#include "xattn/io/state_dict.h"
#include "xattn/training/batch_order.h"

namespace xattn {

/// All that a training run needs to go on as if it had not stopped.
struct TrainingCheckpoint {
  /// The steps that are done.
  int64_t step = 0;
  /// Where the next batch begins.
  DataPlace place;
  /// Tensors by part, such as "unet", "ema" and "optimizer"; each part is a file.
  std::map<std::string, StateDict> tensors;
  /// The state of torch's generator of the CPU, `generator.get_state()`; undefined where nothing
  /// depends on it.
  at::Tensor random_state;
  /// The run's options: a JSON object.
  std::string options = "{}";
};

/// Options of `save_training_checkpoint`.
struct CheckpointSaveOptions {
  /// How many checkpoints stay, with the new one; those of the lowest steps go. Those of higher
  /// steps than the new one are neither counted nor removed.
  int64_t keep = 3;
};

/// Writes a run's state into `folder`/checkpoint-000500 and returns that path.
///
/// The folder appears complete or not at all: files are written aside, each made durable, then a
/// manifest with their sizes and checksums, and then the folder is renamed. A checkpoint of the
/// same step is exchanged in one step, where the system can. What an interrupted save left is
/// removed by the next one.
///
/// One run writes into a folder at a time.
///
/// Throws: `ValueError` for a negative step or place, options that are no JSON object, a part whose
/// name is not made of letters, digits, "_", "-" and ".", a tensor that safetensors cannot hold,
/// and fewer than one to keep; `FileError` where something cannot be written (a full disk). What
/// was written is then removed, and the checkpoints before are as they were.
XATTN_API std::string save_training_checkpoint(const std::string& folder,
                                               const TrainingCheckpoint& checkpoint,
                                               const CheckpointSaveOptions& options = {});

/// Reads a checkpoint.
///
/// Throws: `FileError` for a file that the manifest does not name or that is not as it says, and
/// for what is no checkpoint of ours.
XATTN_API TrainingCheckpoint load_training_checkpoint(const std::string& path);

/// The newest checkpoint of a folder that is complete, and what is wrong with newer ones.
struct LatestCheckpoint {
  /// Nothing where the folder has none, or is not there.
  std::optional<std::string> path;
  int64_t step = 0;
  /// "checkpoint-000500: unet.safetensors: expected …", one for each that was passed over.
  std::vector<std::string> unusable;
};

/// Looks for the newest checkpoint, and checks every file of it against the manifest.
///
/// Throws: `FileError` where the folder cannot be listed.
XATTN_API LatestCheckpoint latest_checkpoint(const std::string& folder);

}  // namespace xattn
