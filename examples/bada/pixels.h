#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "picture.h"

namespace bada {

/// A picture as xattn's images are: uint8 `[128, 128, 3]`.
at::Tensor to_tensor(const Picture& picture);

/// Reads a PNG or JPEG file.
///
/// Throws: `xattn::FileError` where it cannot be read or is not 128×128.
Picture load_picture(const std::string& path);

}  // namespace bada
