#pragma once

#include <string>

#include "io/file.h"

namespace xattn::images {

/// What a JPEG file says of its picture in APP1 segments.
struct JpegMetadata {
  /// Exif data, behind "Exif\0\0"; of several segments joined.
  std::string exif;
  /// XMP, of several the last.
  std::string xmp;
};

/// Reads the segments before the picture's data.
JpegMetadata read_jpeg_metadata(const io::File& file);

}  // namespace xattn::images
