#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace bada {

/// What `write_dataset` makes.
struct DatasetOptions {
  std::string folder;
  int64_t count = 0;
  uint64_t seed = 0;
  /// Captions of one picture.
  int captions = 4;
  /// Whether the folder may have files already; those with the same names are written over.
  bool force = false;
};

/// Writes pictures of random scenes for training, `000001.png` and so on, and `metadata.jsonl`,
/// which appears last and whole. A line there has `file_name`, `text` (a list of captions), and
/// `sky`, `ground` and `thing`.
///
/// The same seed makes the same files; picture i does not depend on how many there are. `progress`
/// is called with the number of pictures done, by one thread at a time.
///
/// Throws: `xattn::ValueError` where the folder has files and `force` is not set;
/// `xattn::FileError` where files cannot be written.
void write_dataset(const DatasetOptions& options, const std::function<void(int64_t)>& progress);

/// Writes a PNG of 8 × 5 such pictures, 1024 × 640 pixels.
void write_contact_sheet(const std::string& path, uint64_t seed);

/// Writes the evaluation's prompts, a JSON object a line: `text`, `language` ("en" or "ko"), `sky`,
/// `ground`, `thing` and `held_out`.
void write_prompts(const std::string& path);

}  // namespace bada
