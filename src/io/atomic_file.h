#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "io/file.h"

namespace xattn::io {

/// A file that appears whole or not at all.
///
/// Bytes go to a temporary beside the target; `commit` makes them durable and renames. Until then
/// the target is as it was, and a destructor without `commit` removes the temporary.
class AtomicFile {
 public:
  /// Refuses a target that exists and is not a regular file (a rename would replace a device or
  /// pipe).
  AtomicFile(std::string place, std::string path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* from, std::size_t count);
  void commit();

 private:
  [[noreturn]] void fail_with_errno(const char* what) const;

  Subject subject_;
  std::string directory_;
  std::string temporary_;
  Descriptor descriptor_;
  bool committed_ = false;
};

/// Writes all of a file at once, as an `AtomicFile`.
void write_file(const std::string& place, const std::string& path, std::string_view bytes);

}  // namespace xattn::io
