#pragma once

#include <string>

namespace xattn::apps {

/// Throws `FileError` "[place] …" where a path is no pipeline's folder: what it is mistaken for is
/// told by name.
void check_pipeline_folder(const std::string& place, const std::string& model);

}  // namespace xattn::apps
