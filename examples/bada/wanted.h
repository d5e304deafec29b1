#pragma once

#include <string>
#include <vector>

#include "scene.h"

namespace bada {

/// A picture to be judged, and what it should show.
struct WantedPicture {
  std::string file_name;
  Scene scene;
  /// "en", "ko", or empty where the metadata do not say.
  std::string language;
  bool held_out = false;
};

/// Reads the `metadata.jsonl` of a folder: a line a picture, with `file_name`, a path from the
/// folder, `sky`, `ground` and `thing`, and perhaps `language` and `held_out` as in the prompts'
/// file.
///
/// Throws: `xattn::FileError` where it cannot be read, has no line, or a line lacks one of these or
/// names what is not known.
std::vector<WantedPicture> read_wanted(const std::string& folder);

}  // namespace bada
