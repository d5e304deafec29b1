#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "xattn/core/export.h"
#include "xattn/training/training_checkpoint.h"

namespace xattn {

/// What came of a step of training.
struct TrainingStep {
  double loss = 0;
  double learning_rate = 0;
  /// How many pictures it learned from.
  int64_t pictures = 0;
  /// Other numbers by name, such as "grad_norm".
  std::map<std::string, double> more = {};
};

/// A model that is being trained, with its data: what `run_training` asks of it.
///
/// All that it draws it draws from torch's generator of the CPU, or from generators of its own
/// whose seeds it keeps, so that it goes on from a checkpoint to the same bits.
class XATTN_API Training {
 public:
  virtual ~Training() = default;

  /// Takes the next batches and makes one step of the optimizer.
  ///
  /// Throws: `NotFiniteError` for a loss or gradients that are not finite, naming the step and the
  /// batch's pictures.
  virtual TrainingStep step() = 0;

  /// Adds all that it needs to go on, but for the step and torch's random state.
  virtual void save(TrainingCheckpoint& checkpoint) const = 0;
  /// Takes that back.
  virtual void load(const TrainingCheckpoint& checkpoint) = 0;

  /// Pictures that show what the model can do now, uint8 `[H, W, 3]`; the same ones each time.
  virtual std::vector<at::Tensor> samples() = 0;
  /// What those pictures should be; empty where nothing says so.
  virtual std::vector<at::Tensor> originals() { return {}; }

  /// Writes the model as it is now (its averages, where there are any) into a folder that Python
  /// reads.
  virtual void save_pretrained(const std::string& folder) = 0;
};

}  // namespace xattn
