#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace xattn::io {
class WeightsFile;
}

namespace xattn::apps {

/// A call of a submodule, as python/xattn_record.py wrote it down.
struct RecordedCall {
  std::string module;
  /// The Python class.
  std::string class_name;
  /// Which call of the module, from 1.
  int64_t number = 1;
  /// The tensors' names in the file, by argument ("temb", "res_hidden_states_tuple.0").
  std::map<std::string, std::string> inputs;
  /// In order: "0", "1.0", or the fields of an output class.
  std::vector<std::pair<std::string, std::string>> outputs;
  /// Arguments that are no tensors.
  nlohmann::json scalars;
};

/// What python/xattn_record.py wrote: calls, in the order in which they ended, and their tensors,
/// which are read when they are asked for.
class Recording {
 public:
  /// Throws: `FileError` for a file that cannot be read or is no recording.
  explicit Recording(const std::string& path);
  ~Recording();

  const std::string& path() const { return path_; }
  const std::vector<RecordedCall>& calls() const { return calls_; }
  at::Tensor tensor(const std::string& name) const;
  /// Nothing where this LibTorch is too old to have it.
  std::optional<at::ScalarType> dtype(const std::string& name) const;

 private:
  std::string path_;
  std::unique_ptr<io::WeightsFile> file_;
  std::vector<RecordedCall> calls_;
  std::map<std::string, size_t> index_;
};

/// What becomes of recorded arguments: tensors of the dtype `from` are converted, all are moved.
struct Conversion {
  at::ScalarType from = at::kFloat, to = at::kFloat;
  c10::Device device = at::kCPU;
};

/// The arguments of a call, as a model of another dtype or on another device takes them.
class RecordedArguments {
 public:
  RecordedArguments(const Recording& recording, const RecordedCall& call, Conversion conversion)
      : recording_(recording), call_(call), conversion_(conversion) {}

  /// Throws `ValueError` where the call has no such argument.
  at::Tensor get(const std::string& name) const;
  std::optional<at::Tensor> find(const std::string& name) const;
  /// "name.0", "name.1", …
  std::vector<at::Tensor> list(const std::string& name) const;
  /// The only tensor, whatever its name.
  at::Tensor only() const;
  const RecordedCall& call() const { return call_; }

 private:
  const Recording& recording_;
  const RecordedCall& call_;
  Conversion conversion_;
};

}  // namespace xattn::apps
