#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "io/subject.h"

namespace xattn::training {

/// "checkpoint-000500"
std::string checkpoint_name(std::int64_t step);

/// The checkpoints in a folder, by step, the newest first; none where there is no folder.
std::vector<std::pair<std::int64_t, std::string>> checkpoints_in(const io::Subject& folder);

/// Writes the manifest of a folder's files: {"files": {name: {"bytes": n, "crc32": n}}}.
void write_manifest(const std::string& place, const std::string& folder);

/// The files that a folder's manifest names.
///
/// Throws: `FileError` unless each is there and as the manifest says, byte for byte.
std::vector<std::string> read_manifest(const std::string& place, const std::string& folder);

/// A folder that appears whole or not at all: it is filled under another name, and `commit` gives
/// it its own. Without that it is removed with what is in it.
class AtomicFolder {
 public:
  /// Removes what earlier ones of `parent` left.
  AtomicFolder(std::string place, std::string parent, std::string name);
  ~AtomicFolder();
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  /// Where its files go.
  const std::string& path() const { return temporary_; }
  /// Takes the place of a folder of that name.
  void commit();

 private:
  io::Subject subject_;
  std::string parent_, temporary_;
};

/// Removes a folder in such a way that a half of it is never taken for the whole.
void remove_folder(const std::string& place, const std::string& parent, const std::string& name);

}  // namespace xattn::training
