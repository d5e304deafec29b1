#pragma once

#include <map>
#include <string>

#include "xattn/core/export.h"
#include "xattn/io/checkpoint_info.h"
#include "xattn/io/state_dict.h"

namespace xattn {

/// The tensors and values of a file.
struct Checkpoint {
  CheckpointFormat format;
  /// The tensors by dotted name, in the file's order, on the CPU. Those that share memory in the
  /// file share it here.
  StateDict tensors;
  /// The values that are not tensors, by dotted name: attributes of scripted modules (`num_heads`,
  /// `cross_attention.embed_dim`), the rest of a saved dict, the metadata of safetensors (strings).
  std::map<std::string, Attribute> attributes;
};

/// Reads a TorchScript archive, a `torch.save` file or safetensors; the content tells which it is.
///
/// Nothing in the file is executed: pickles are read by an interpreter that knows an allow-list and
/// refuses the rest, and every checksum, count and offset is checked. See docs/files.md.
///
/// Throws: `FileError`, which names the file, the place in it, what was expected and what is there.
XATTN_API Checkpoint load_checkpoint(const std::string& path);

/// A module's part of a checkpoint that holds more: the tensors and attributes whose names begin
/// with `prefix` ("state_dict."). The prefix is cut off.
///
/// Throws: `ValueError` where more than 16 of the names that are left would share a bucket of a
/// hash table, as only names do that a file has chosen to take time.
XATTN_API Checkpoint part_of(const Checkpoint& checkpoint, const std::string& prefix);

}  // namespace xattn
