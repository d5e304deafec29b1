#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "xattn/core/export.h"
#include "xattn/images/image_read_options.h"

namespace xattn {

/// Reads a picture as it is meant to be seen: uint8 `[height, width, 3]`, RGB, on the CPU.
///
/// PNG and JPEG are recognised by content, whatever the file's name. The picture is turned as its
/// Exif data say (JPEG's APP1, PNG's eXIf or "Raw profile type exif"), or else its XMP, and becomes
/// RGB as `convert_to_rgb` has it: alpha is dropped.
///
/// Throws: `FileError` as `load_png` and `load_jpeg`; where the Exif data are no TIFF; for another
/// format by its name (WebP, GIF, BMP, TIFF, HEIC, AVIF, …), with what to do.
///
/// Reference: diffusers 0.42.1, utils/loading_utils.py, load_image of a local path.
XATTN_API at::Tensor load_image(const std::string& path, const ImageReadOptions& options = {});

}  // namespace xattn
