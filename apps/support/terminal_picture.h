#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "support/terminal.h"

namespace xattn::apps {

/// A picture for a terminal of 24-bit colours, as large as fits there and no larger than it is.
///
/// Each character is an upper half block (▀): its colour is one pixel, its background the pixel
/// below. Of an odd number of lines the last one is repeated.
///
/// Shapes: uint8 `[height, width, 3]` on the CPU.
std::string terminal_picture(const at::Tensor& pixels, const Terminal& terminal);

}  // namespace xattn::apps
