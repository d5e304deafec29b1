#pragma once

#include <string>
#include <string_view>

// What people hand us by mistake. Each text reads after "path: ": what it is, and what to do. Empty
// texts are no mistake that is known.
namespace xattn::io {

/// By the first bytes of a file.
std::string_view mistaken_bytes(std::string_view start);

/// By the name of one of its tensors, where a model is wanted.
std::string_view mistaken_tensor(std::string_view name);

/// By a path at which nothing is.
std::string_view mistaken_path(const std::string& path);

/// By what is in a folder without config.json.
std::string mistaken_folder(const std::string& folder);

}  // namespace xattn::io
