#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/weights_file.h"

namespace xattn::pretrained {

/// The Python library whose `save_pretrained` writes a model's folder: they name their files
/// differently.
enum class Library { kDiffusers, kTransformers };

/// A folder's config.json.
struct FolderConfig {
  std::string path;
  std::string text;
  Library library = Library::kDiffusers;
  /// The classes that it names: diffusers' `_class_name`, transformers' `architectures`; may be
  /// empty.
  std::vector<std::string> classes;
};

/// Reads the config.json of a model's folder; it holds a JSON object.
FolderConfig read_folder_config(const std::string& place, const std::string& folder);

/// "diffusion_pytorch_model.fp16.safetensors": the file of the weights where it is not sharded.
std::string weights_file(Library library, const std::string& variant);
/// "diffusion_pytorch_model.fp16-00001-of-00003.safetensors", counted from 1.
std::string weights_shard(Library library, const std::string& variant, std::size_t number,
                          std::size_t count);
/// "diffusion_pytorch_model.safetensors.index.fp16.json"
std::string weights_index(Library library, const std::string& variant);

/// Opens the files of weights in a model's folder, in the order in which the original library looks
/// for them: safetensors before PyTorch's .bin, one file or the shards that an index names.
///
/// Each file's structure is checked, and that an index and its shards agree. No tensor is in two of
/// them.
std::vector<std::unique_ptr<io::WeightsFile>> open_weights(const std::string& place,
                                                           const std::string& folder,
                                                           Library library,
                                                           const std::string& variant);

}  // namespace xattn::pretrained
