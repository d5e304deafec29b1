#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "io/stream_tensors.h"
#include "xattn/core/key_target.h"
#include "xattn/io/state_dict.h"

namespace xattn::pretrained {

/// Which elements of open files go into which tensors of a module.
class LoadPlan {
 public:
  explicit LoadPlan(const torch::nn::Module& module) : own_(state_dict(module)) {}

  /// Takes note of a file's tensor, which feeds these targets.
  void add(const io::WeightsFile& file, const io::TensorRecord& record,
           const std::vector<KeyTarget>& targets);

  /// Everything that does not fit: to be asked for when all files' tensors have been added.
  LoadReport report() const;

  /// What goes where, as far as it fits.
  const std::vector<io::StreamedTensor>& tensors() const { return tensors_; }

 private:
  /// How many elements the target takes; nothing where it does not fit.
  std::optional<int64_t> add(const io::WeightsFile& file, const io::TensorRecord& record,
                             const KeyTarget& target);

  StateDict own_;
  std::vector<io::StreamedTensor> tensors_;
  LoadReport report_;
  /// What feeds each key.
  std::map<std::string, std::string> source_of_;
};

}  // namespace xattn::pretrained
