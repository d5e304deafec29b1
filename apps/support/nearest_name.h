#pragma once

#include <string>
#include <vector>

namespace xattn::apps {

/// The name that was probably meant: few letters away, or begun alike; empty where none is near.
std::string nearest_name(const std::string& text, const std::vector<std::string>& names);

}  // namespace xattn::apps
