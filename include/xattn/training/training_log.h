#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "xattn/core/export.h"

namespace xattn {

/// What a training run says of a step.
struct TrainingLogEntry {
  /// From 1.
  int64_t step = 0;
  double loss = 0;
  double learning_rate = 0;
  double pictures_per_second = 0;
  /// Since the run began, those before a resume included.
  double seconds = 0;
  /// Other numbers by name, such as "grad_norm".
  std::map<std::string, double> more = {};
};

/// A run's log: a file of a JSON object a line, step by step.
///
///     {"step":1,"loss":0.52,"lr":0.0001,"pictures_per_second":31.5,"seconds":0.25,"grad_norm":1.5}
///
/// A line is written whole or not at all, by one call of the system. A number that is not finite is
/// null, and read as NaN.
///
/// Throws: `FileError` where the file cannot be written, and for a line that is no such object,
/// naming it; `ValueError` for a step that is not after the last one, and for other numbers with a
/// name of ours.
class XATTN_API TrainingLog {
 public:
  /// Begins a log. Refuses a file that is there.
  static TrainingLog begin(const std::string& path);

  /// Goes on after `step`: later lines, which a run wrote after its last checkpoint, are cut off,
  /// and so is a line that was not written to its end. A file that is not there is begun.
  static TrainingLog resume(const std::string& path, int64_t step);

  TrainingLog(TrainingLog&&) noexcept;
  TrainingLog& operator=(TrainingLog&&) noexcept;
  ~TrainingLog();

  void append(const TrainingLogEntry& entry);

  /// Makes the lines durable; a run does so before it saves a checkpoint.
  void sync();

  /// The last entry's seconds, for a run that goes on; 0 without entries.
  double seconds() const;

 private:
  struct Output;
  explicit TrainingLog(std::unique_ptr<Output> output);

  std::unique_ptr<Output> output_;
};

/// The entries of a log. A last line that was not written to its end is left out.
///
/// Throws: `FileError` for a file that cannot be read, and for a line that is no entry or whose
/// step is not after the one before.
XATTN_API std::vector<TrainingLogEntry> read_training_log(const std::string& path);

}  // namespace xattn
