#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "xattn/core/export.h"

namespace xattn {

/// The format of a file of weights; it is recognised by the content.
enum class CheckpointFormat {
  /// What `torch.jit.save` writes for a scripted or a traced module.
  kTorchScript,
  /// What `torch.save` writes for a state_dict, or a dict of tensors, dicts and values.
  kTorchSave,
  kSafetensors,
};

/// "TorchScript", "torch.save" or "safetensors".
XATTN_API std::string to_string(CheckpointFormat format);

/// A value in a checkpoint that is not a tensor; `monostate` is Python's None.
using Attribute = std::variant<std::monostate, bool, int64_t, double, std::string>;

/// The value as Python prints it, but a string has no quotes.
XATTN_API std::string to_string(const Attribute& attribute);

/// A tensor's description, without its data.
struct TensorInfo {
  std::string name;
  /// Python's name of the dtype: "float32".
  std::string dtype;
  std::vector<int64_t> shape;
};

/// What is in a checkpoint, without the tensors' data.
struct CheckpointInfo {
  CheckpointFormat format;
  /// The tensors in the file's order.
  std::vector<TensorInfo> tensors;
  /// The attributes by dotted name, as in `Checkpoint`.
  std::map<std::string, Attribute> attributes;
};

/// Reads what is in a checkpoint.
///
/// The structure is checked as by `load_checkpoint`. The tensors' data is not read.
///
/// Throws: `FileError`.
XATTN_API CheckpointInfo inspect_checkpoint(const std::string& path);

}  // namespace xattn
