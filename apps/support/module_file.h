#pragma once

#include <string>

#include "xattn/io/checkpoint.h"

namespace xattn::apps {

/// Loads the CrossAttention or SimpleUNet in a file, which may lie deeper in what was saved, as in
/// `{"state_dict": …, "epoch": 3}`; a line on stderr then says what is taken.
///
/// Throws: `ValueError` where the file holds none, or several.
Checkpoint load_module_file(const std::string& path);

}  // namespace xattn::apps
