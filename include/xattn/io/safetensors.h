#pragma once

#include <map>
#include <string>

#include "xattn/core/export.h"
#include "xattn/io/state_dict.h"

namespace xattn {

/// Writes tensors as safetensors, which Python's `safetensors` package reads.
///
/// Tensors of any device and stride are written contiguously. Tensors that share memory are each
/// written whole. The file appears complete or not at all.
///
/// Throws: `ValueError` for a dtype or layout that the format does not have, before anything is
/// written; `FileError` where the file cannot be written.
XATTN_API void save_safetensors(const std::string& path, const StateDict& tensors,
                                const std::map<std::string, std::string>& metadata = {});

}  // namespace xattn
