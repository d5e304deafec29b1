#pragma once

#include <c10/core/ScalarType.h>

#include "io/strided_view.h"

namespace xattn::io {

/// Whether `copy_elements` can convert between these types: it can among floating-point ones.
bool can_convert(at::ScalarType from, at::ScalarType to);

/// Copies elements in raw memory, which any thread may do, and converts them as torch's `copy_`
/// does.
void copy_elements(const StridedCopy& copy, const void* from, at::ScalarType from_type, void* to,
                   at::ScalarType to_type);

}  // namespace xattn::io
