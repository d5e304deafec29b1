#pragma once

#include <string>

namespace xattn::apps {

/// Whether a file begins as a PNG does, whatever its name; false where it cannot be read.
bool is_png(const std::string& path);

/// Prints the size of a PNG and its texts, above all what `xattn generate` made it with. The pixels
/// are not read.
void inspect_picture(const std::string& path, bool json);

}  // namespace xattn::apps
