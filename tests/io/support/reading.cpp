#include "io/support/reading.h"

#include <filesystem>
#include <vector>

#include "io/weights_file.h"
#include "xattn/core/error.h"

namespace xattn::testing {

void read_everything(const std::string& path) {
  const auto file = io::WeightsFile::open("test", path);
  std::vector<char> bytes;
  for (std::size_t i = 0; i < file->storage_count(); ++i) {
    bytes.resize(file->storage_size(i));
    file->read_storage(i, bytes.data());
  }
  file->verify_rest();
}

void expect_refused(const std::string& path, const std::string& reason) {
  const std::size_t before = Memory::live();
  Memory::reset_peak();
  try {
    read_everything(path);
    ADD_FAILURE() << path << " was read; expected an error with: " << reason;
  } catch (const FileError& error) {
    const std::size_t used = Memory::peak() - before;
    std::error_code not_a_file;
    const auto size = std::filesystem::file_size(path, not_a_file);
    EXPECT_LE(used, (not_a_file ? 0 : size) + (64u << 20)) << path;
    const std::string message = error.what();
    EXPECT_TRUE(message.starts_with("[test] " + path + ": ")) << message;
    EXPECT_NE(message.find(reason), std::string::npos) << message << "\n  expected: " << reason;
    EXPECT_LT(message.size(), path.size() + 1000);
  }
}

bool reads(const std::string& path) {
  try {
    read_everything(path);
    return true;
  } catch (const FileError& error) {
    const std::string message = error.what();
    EXPECT_TRUE(message.starts_with("[test] " + path + ": ")) << message;
  } catch (const std::exception& error) {
    ADD_FAILURE() << path << ": not a FileError: " << error.what();
  }
  return false;
}

}  // namespace xattn::testing
