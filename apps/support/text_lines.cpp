#include "support/text_lines.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iostream>

#include "io/file.h"
#include "io/json.h"
#include "xattn/core/error.h"

namespace xattn::apps {

std::vector<std::string> read_lines(const std::string& place, const std::string& path) {
  std::ifstream opened;
  if (path != "-") opened.open(path, std::ios::binary);
  std::istream& file = path == "-" ? std::cin : opened;
  std::vector<std::string> lines;
  if (file) {
    for (std::string line; std::getline(file, line);) lines.push_back(line);
  }
  if (!file.eof() || (path != "-" && std::filesystem::is_directory(path)))
    throw FileError(fmt::format("[{}] {}: cannot be read", place, path));
  return lines;
}

std::string read_whole_text(const std::string& place, const std::string& path) {
  return io::read_text(io::File(place, path));
}

}  // namespace xattn::apps
