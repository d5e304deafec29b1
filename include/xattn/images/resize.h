#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "xattn/core/export.h"

namespace xattn {

/// How the pixels of a picture of another size are made.
enum class Resampling {
  kNearest,
  /// The mean of the pixels under each.
  kBox,
  /// A triangle of radius 1.
  kBilinear,
  /// Keys' cubic with a = −½, of radius 2.
  kBicubic,
  /// sinc(x) · sinc(x / 3), of radius 3.
  kLanczos,
};

/// Resizes a picture, uint8 `[h, w, 1…4]`, to `[height, width, 1…4]`, bit for bit as Pillow does.
///
/// The filter is stretched where the picture shrinks, so that every pixel counts. Width and height
/// are changed one after the other, each result rounded to 8 bits: the width first, unless the
/// height shrinks by more than twice as many pixels. Weights are fixed-point numbers of 22 bits.
/// With alpha (2 and 4 channels) colours are multiplied by it before and divided after, except for
/// `kNearest`.
///
/// Throws: `ValueError` for other tensors, and for sizes that are not from 1 to 2³¹ − 1.
///
/// Reference: Pillow 13.0, Image.resize, libImaging/Resample.c.
XATTN_API at::Tensor resize(const at::Tensor& pixels, int64_t height, int64_t width,
                            Resampling resampling);

}  // namespace xattn
