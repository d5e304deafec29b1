#pragma once

#include "io/file.h"

namespace xattn::images {

enum class PictureFormat { kPng, kJpeg };

/// The format of a picture, by its first bytes. Another format is refused by its name, with what to
/// do.
PictureFormat picture_format(const io::File& file);

/// Refuses a file that is not of this format.
void expect_format(const io::File& file, PictureFormat expected);

}  // namespace xattn::images
