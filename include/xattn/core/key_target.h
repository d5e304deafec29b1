#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace xattn {

/// Where a tensor of a file goes: a key of the module, and the part of the tensor that it takes.
///
/// A model's `map_key(config, key)` gives one for each parameter that a file's tensor feeds, and
/// none for a tensor that is not the model's. First the slice is taken, then the dimensions are
/// swapped; the result must have the parameter's shape.
struct KeyTarget {
  struct Slice {
    int64_t dim = 0;
    int64_t start = 0;
    int64_t length = 0;
  };

  std::string key = {};
  /// The indices of one dimension that are taken: a third of a fused `in_proj_weight`.
  std::optional<Slice> slice = std::nullopt;
  /// Whether the first two dimensions are swapped: a matrix that multiplies from the other side.
  bool transpose = false;
  /// Whether dimensions of size 1 may be added and dropped to give the parameter's shape: a 1×1
  /// convolution's `[C, C, 1, 1]` for a linear layer's `[C, C]`.
  bool squeeze = false;
};

}  // namespace xattn
