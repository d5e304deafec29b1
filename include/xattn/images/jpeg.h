#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "xattn/core/export.h"
#include "xattn/images/image_read_options.h"

namespace xattn {

/// Reads the pixels of a JPEG file: uint8 `[height, width, channels]` on the CPU, 1 channel for
/// grey and 3 for RGB.
///
/// Baseline, progressive and arithmetic-coded pictures of 8 bits are read. CMYK becomes RGB as by
/// Pillow, which takes it to be inverted, as Adobe's is. Colour profiles and orientation are not
/// applied (`load_image` applies the latter).
///
/// Throws: `FileError` where the file cannot be read, is no JPEG, is cut short or damaged (the
/// format has no checksums: what a decoder could only guess is refused), has another depth or
/// number of components, more than 100 scans, or more pixels than the options allow.
///
/// Reference: Pillow 13.0, JpegImagePlugin.py; both decode with libjpeg-turbo.
XATTN_API at::Tensor load_jpeg(const std::string& path, const ImageReadOptions& options = {});

}  // namespace xattn
