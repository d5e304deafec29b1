#pragma once

#include <c10/core/ScalarType.h>

#include <string>

namespace xattn::apps {

/// The dtype that "float32", "float16", "bfloat16" or "float64" stands for.
///
/// Throws: `UsageError` for another text.
at::ScalarType parse_dtype(const std::string& text);

}  // namespace xattn::apps
