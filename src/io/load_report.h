#pragma once

#include <string>

#include "xattn/io/state_dict.h"

namespace xattn::io {

/// "float32 [4, 3]".
std::string kind_text(const at::Tensor& tensor);

/// The problems of a report in one line, "missing a, b; unexpected c; d: expected …, got …": the
/// first ten, in turns of each kind, and the number of the rest. Names of what is no model by
/// itself are told first.
std::string problems_text(const LoadReport& report);

}  // namespace xattn::io
