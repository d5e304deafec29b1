#pragma once

#include <c10/core/ScalarType.h>

#include <optional>

#include "core/dtype.h"

namespace xattn {

/// torch's name for an element type; nothing where this torch is too old to have it.
std::optional<at::ScalarType> to_scalar_type(DType dtype);

/// Nothing for types that no file of weights holds (quantized, sub-byte).
std::optional<DType> to_dtype(at::ScalarType type);

}  // namespace xattn
