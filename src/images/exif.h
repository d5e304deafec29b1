#pragma once

#include <optional>
#include <string_view>

#include "io/subject.h"

namespace xattn::images {

/// The orientation in Exif data, which are a TIFF file without pixels ("Exif\0\0" may stand before
/// it): a value of one whole number under the tag 0x0112. `has_tag` says whether the tag is there,
/// whatever its value.
///
/// Data that end too soon are read as far as they go, as by Pillow. Throws FileError where they do
/// not begin as TIFF.
struct ExifOrientation {
  bool has_tag = false;
  int value = 1;
};
ExifOrientation exif_orientation(const io::Subject& subject, std::string_view exif);

/// The orientation in XMP, which is XML with tiff:Orientation="N" or <tiff:Orientation>N; 1 without
/// one.
int xmp_orientation(std::string_view xmp);

}  // namespace xattn::images
