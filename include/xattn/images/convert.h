#pragma once

#include <ATen/core/Tensor.h>

#include "xattn/core/export.h"

namespace xattn {

/// RGB of a picture: uint8 `[height, width, 1…4]` to `[height, width, 3]`, a new tensor. Grey is
/// repeated, alpha dropped.
///
/// Throws: `ValueError` for other tensors.
///
/// Reference: Pillow 13.0, Image.convert("RGB").
XATTN_API at::Tensor convert_to_rgb(const at::Tensor& pixels);

/// Grey of a picture: uint8 `[height, width, 1…4]` to `[height, width, 1]`, a new tensor:
/// (19595 · R + 38470 · G + 7471 · B + 2¹⁵) / 2¹⁶, rounded down. Alpha is dropped.
///
/// Throws: `ValueError` for other tensors.
///
/// Reference: Pillow 13.0, Image.convert("L").
XATTN_API at::Tensor convert_to_grey(const at::Tensor& pixels);

}  // namespace xattn
