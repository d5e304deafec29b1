#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace xattn {

/// What a file of weights is, recognised by its content.
enum class CheckpointFormat {
  /// What `torch.jit.save` writes for a scripted or a traced module.
  kTorchScript,
  /// What `torch.save` writes for a state_dict, or a dict of tensors, dicts and values.
  kTorchSave,
  kSafetensors,
};

/// "TorchScript", "torch.save" or "safetensors".
std::string to_string(CheckpointFormat format);

/// A value in a checkpoint that is no tensor; `monostate` is Python's None.
using Attribute = std::variant<std::monostate, bool, int64_t, double, std::string>;

/// The value as Python prints it; a string without quotes.
std::string to_string(const Attribute& attribute);

/// A tensor's description, without its data.
struct TensorInfo {
  std::string name;
  /// Python's name of it: "float32".
  std::string dtype;
  std::vector<int64_t> shape;
};

/// What is in a checkpoint, without the tensors' data.
struct CheckpointInfo {
  CheckpointFormat format;
  /// In the file's order.
  std::vector<TensorInfo> tensors;
  /// By dotted name, as `Checkpoint::attributes`.
  std::map<std::string, Attribute> attributes;
};

/// Reads what is in a checkpoint. The structure is checked as by `load_checkpoint`, the tensors'
/// data is not read.
///
/// Throws: `FileError`.
CheckpointInfo inspect_checkpoint(const std::string& path);

}  // namespace xattn
