#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>

#include "images/picture_size.h"

namespace xattn::images {

/// Throws `ValueError` unless `pixels` are uint8 `[height, width, 1…4]` on the CPU, with at least
/// one pixel and sizes below 2³¹; returns the sizes.
PictureSize check_pixels(std::string_view place, std::string_view name, const at::Tensor& pixels);

/// A tensor for such pixels, not filled.
at::Tensor empty_pixels(const PictureSize& size);

}  // namespace xattn::images
