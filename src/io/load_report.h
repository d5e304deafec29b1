#pragma once

#include <string>

#include "xattn/io/state_dict.h"

namespace xattn::io {

/// "float32 [4, 3]".
std::string kind_text(const at::Tensor& tensor);

/// Every problem of a report in one line: "missing a, b; unexpected c; d: expected …, got …".
std::string problems_text(const LoadReport& report);

}  // namespace xattn::io
