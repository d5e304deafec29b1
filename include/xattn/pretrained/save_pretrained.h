#pragma once

#include <cstdint>
#include <string>

#include "xattn/core/export.h"

namespace torch::nn {
class Module;
}

namespace xattn {

/// Options of `save_pretrained`; the names are Python's.
struct SavePretrainedOptions {
  /// A word that goes into the names of the files: "fp16".
  std::string variant = {};
  /// How many bytes of tensors a file may hold: more are split into shards. Python's "10GB".
  int64_t max_shard_size = 10'000'000'000;
};

namespace detail {
XATTN_API void save_pretrained(const torch::nn::Module& module, const std::string& class_name,
                               const std::string& config, const std::string& folder,
                               const SavePretrainedOptions& options);
}

/// Writes a model's folder, config.json and safetensors, which Python's `from_pretrained` reads.
///
/// The folder is made where it is not there. Each file appears complete or not at all. Shards of an
/// earlier save are removed.
///
/// Throws: `FileError`; `ValueError` for a `max_shard_size` below 1.
///
/// Reference: diffusers 0.42.1, models/modeling_utils.py, `ModelMixin.save_pretrained`.
template <typename Holder>
void save_pretrained(const Holder& module, const std::string& folder,
                     const SavePretrainedOptions& options = {}) {
  detail::save_pretrained(*module, Holder::ContainedType::kClassName, module->config.to_json(),
                          folder, options);
}

}  // namespace xattn
