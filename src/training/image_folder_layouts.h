#pragma once

#include <string>
#include <vector>

#include "xattn/training/image_folder.h"

namespace xattn::training {

/// A picture that a folder names, or what is wrong with it.
struct FolderEntry {
  CaptionedPicture picture;
  /// What names it, for messages: "metadata.jsonl line 3: ", or nothing where the picture itself
  /// is.
  std::string named_by;
  /// What is wrong, with the file and the line; empty where nothing is.
  std::string problem;
};

/// What the layout of a folder says, before any picture is looked at.
struct FolderEntries {
  std::vector<FolderEntry> entries;
  std::vector<std::string> notes;
};

/// Throws: `FileError` where the folder or metadata.jsonl cannot be read, or the layout is another.
FolderEntries read_folder_entries(const std::string& folder);

}  // namespace xattn::training
