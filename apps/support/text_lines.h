#pragma once

#include <string>
#include <vector>

namespace xattn::apps {

/// The lines of a file; "-" is stdin. `place` is what an error begins with.
///
/// Throws: `FileError` where it cannot be read.
std::vector<std::string> read_lines(const std::string& place, const std::string& path);

/// All of a file, which is not larger than a config may be (16 MiB).
///
/// Throws: `FileError`.
std::string read_whole_text(const std::string& place, const std::string& path);

}  // namespace xattn::apps
