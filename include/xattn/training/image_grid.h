#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "xattn/core/export.h"

namespace xattn {

/// Options of `image_grid`.
struct ImageGridOptions {
  /// Pictures in a row; the last row may have fewer.
  int64_t columns = 4;
  /// Pixels between pictures and around them.
  int64_t gap = 4;
  /// Texts at the left of the rows, such as "step 500"; letters, digits and signs of ASCII. None,
  /// or one a row.
  std::vector<std::string> row_labels = {};
};

/// Puts pictures of one size into one, row by row, on white.
///
/// Shapes: pictures uint8 `[h, w, 1…4]`, and the result uint8 `[H, W, 3]`. Grey is repeated, alpha
/// dropped.
///
/// Throws: `ValueError` for no pictures, pictures of several sizes, another number of labels than
/// of rows, fewer than one column, a negative gap, and a result of more than 2²⁸ pixels.
XATTN_API at::Tensor image_grid(const std::vector<at::Tensor>& pictures,
                                const ImageGridOptions& options = {});

}  // namespace xattn
