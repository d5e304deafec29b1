#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace xattn::testing {

/// A folder that is removed with everything in it.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string operator/(std::string_view name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

std::string read_bytes(const std::string& path);
/// Returns `path`.
std::string write_bytes(const std::string& path, std::string_view bytes);
void write_byte_at(const std::string& path, std::uint64_t at, char byte);

/// The folder of python/golden/files.py's files, or empty where there is none (an error under CI).
std::filesystem::path golden_files();

/// The names of the files in a folder of `golden_files()` whose description ends in `suffix`,
/// without it; one empty name where there is no golden data, so that a test parameterised by it can
/// skip visibly.
std::vector<std::string> golden_names(std::string_view folder, std::string_view suffix);

}  // namespace xattn::testing
