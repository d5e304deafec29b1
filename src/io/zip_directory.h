#pragma once

#include <cstdint>

#include "io/file.h"

namespace xattn::io {

/// Where a zip's central directory lies, as its end records say.
struct ZipDirectory {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::uint64_t entries = 0;
};

/// Reads and checks the records at the end of the file: the zip64 end record and its locator, which
/// PyTorch always writes, and the end record. All their bytes are checked.
ZipDirectory read_zip_directory(const File& file);

}  // namespace xattn::io
