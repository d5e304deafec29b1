#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "io/file.h"

namespace xattn::io {

struct ZipEntry {
  std::string_view name;  ///< Without the root folder; the archive's.
  std::uint64_t data_offset = 0;
  std::uint64_t packed_size = 0;
  std::uint64_t size = 0;
  std::uint32_t crc = 0;
  bool deflated = false;
};

/// A zip as PyTorch writes it; anything else is refused. See the layout at the top of
/// zip_archive.cpp.
///
/// The constructor checks every byte of the structure and no byte of the entries' contents: `read`
/// and `verify` check those. Both are const and may be called from several threads.
class ZipArchive {
 public:
  /// `file` must outlive the archive.
  explicit ZipArchive(const File& file);
  ZipArchive(const ZipArchive&) = delete;
  ZipArchive& operator=(const ZipArchive&) = delete;

  const std::vector<ZipEntry>& entries() const { return entries_; }
  /// The entry of this name below the root folder, or null.
  const ZipEntry* find(std::string_view name) const;

  /// Reads a stored entry into `to`, which has room for `entry.size` bytes, and checks its CRC.
  void read(const ZipEntry& entry, void* to) const;
  /// Checks an entry's CRC, and for a deflated one that it inflates to its size, without keeping
  /// it.
  void verify(const ZipEntry& entry) const;

  [[noreturn]] void fail(const ZipEntry& entry, std::string_view what) const;

 private:
  void check_crc(const ZipEntry& entry, std::uint32_t crc) const;
  void index_names();

  const File& file_;
  std::string root_;
  std::vector<char> names_;  ///< All in one piece: there may be a quarter of a million.
  std::vector<ZipEntry> entries_;
  std::vector<std::uint32_t> by_name_;
};

}  // namespace xattn::io
