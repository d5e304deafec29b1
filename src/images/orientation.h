#pragma once

#include "io/file.h"

namespace xattn::images {

/// How a PNG or JPEG file's picture is turned, as Exif counts: 1 for not at all, to 8.
///
/// Reference: Pillow 13.0, Image.getexif.
int orientation(const io::File& file);

}  // namespace xattn::images
