#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "xattn/core/export.h"
#include "xattn/images/image_read_options.h"

namespace xattn {

/// A picture to learn from.
struct CaptionedPicture {
  /// Its path, which `load_image` reads.
  std::string path;
  /// Its path within the folder.
  std::string name;
  /// One or more, UTF-8, none of them empty.
  std::vector<std::string> captions;
};

/// How much of each picture `read_image_folder` reads.
enum class PictureCheck {
  /// The header: format, size, orientation. What is damaged behind it is found when it is decoded.
  kHeader,
  /// All of it.
  kWhole,
};

/// Options of `read_image_folder`.
struct ImageFolderOptions {
  /// Whether what is bad is left out and listed, and not an error. All pictures are then decoded
  /// once, so that none is found to be bad later.
  bool skip_bad = false;
  PictureCheck check = PictureCheck::kHeader;
  ImageReadOptions read = {};
};

/// The pictures and captions of a folder, and what was found beside them.
struct ImageFolder {
  std::string path;
  /// In the order of metadata.jsonl, or of their names.
  std::vector<CaptionedPicture> pictures;
  /// With `skip_bad`, what was left out: "metadata.jsonl line 3: text: expected …", one for each.
  std::vector<std::string> skipped;
  /// What is there and not used, one line for each kind: other keys, pictures without a line.
  std::vector<std::string> notes;
};

/// Reads which pictures a folder has, and their captions.
///
/// Layouts: a `metadata.jsonl` as of Hugging Face's image folders, each line an object with
/// `file_name`, a path from the folder, and `text`, a caption or a list of captions; other keys are
/// not used. Or, where there is none, `picture.png` beside `picture.txt`, a caption a line, in the
/// folder and those below; empty lines are passed over.
///
/// Pictures are PNG or JPEG, which their content tells. Names that begin with a dot are not looked
/// at. Time and memory grow with the number of pictures; with `kWhole` each is decoded, on all
/// processors.
///
/// Throws: `FileError` where the folder or metadata.jsonl cannot be read or has no picture, and one
/// that lists what is bad, with its file and line: a picture that is missing, cannot be read, lies
/// outside the folder or is named twice, a caption that is missing or empty, a text that is not
/// UTF-8, a line that is no JSON object. Of more than ten the rest are counted.
///
/// Reference: datasets, packaged_modules/folder_based_builder, of which metadata.csv and
/// metadata.parquet, labels by folder and archives are left out.
XATTN_API ImageFolder read_image_folder(const std::string& folder,
                                        const ImageFolderOptions& options = {});

}  // namespace xattn
