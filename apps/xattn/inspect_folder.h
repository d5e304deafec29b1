#pragma once

#include <string>

namespace xattn::apps {

/// Prints the module tree of a model's folder with parameter counts; the weights are checked, not
/// read.
void inspect_folder(const std::string& folder, const std::string& variant, bool json);

}  // namespace xattn::apps
