#include "io/support/temporary_folder.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace xattn::testing {

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "xattn-test-XXXXXX").string();
  if (!mkdtemp(name.data())) throw std::runtime_error("mkdtemp failed");
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string read_bytes(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw std::runtime_error("cannot open " + path);
  std::ostringstream bytes;
  bytes << stream.rdbuf();
  return bytes.str();
}

std::string write_bytes(const std::string& path, std::string_view bytes) {
  std::ofstream stream(path, std::ios::binary | std::ios::trunc);
  stream.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!stream.flush()) throw std::runtime_error("cannot write " + path);
  return path;
}

void write_byte_at(const std::string& path, std::uint64_t at, char byte) {
  std::fstream stream(path, std::ios::binary | std::ios::in | std::ios::out);
  stream.seekp(static_cast<std::streamoff>(at));
  stream.put(byte);
  if (!stream.flush()) throw std::runtime_error("cannot write " + path);
}

std::filesystem::path golden_files() {
  const char* folder = std::getenv("XATTN_GOLDEN_DIR");
  const auto files = std::filesystem::path(folder ? folder : "") / "files";
  if (folder && std::filesystem::exists(files / "marker.txt")) return files;
  if (std::getenv("CI")) throw std::runtime_error("CI without golden data (XATTN_GOLDEN_DIR)");
  return {};
}

std::vector<std::string> golden_names(std::string_view folder, std::string_view suffix) {
  std::vector<std::string> names;
  if (const auto files = golden_files(); !files.empty()) {
    for (const auto& entry : std::filesystem::directory_iterator(files / folder)) {
      const std::string name = entry.path().filename().string();
      if (name.ends_with(suffix)) names.push_back(name.substr(0, name.size() - suffix.size()));
    }
    std::sort(names.begin(), names.end());
  }
  if (names.empty()) names.emplace_back();
  return names;
}

}  // namespace xattn::testing
