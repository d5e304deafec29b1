#pragma once

#include <string>

#include "xattn/core/export.h"
#include "xattn/ops/plan.h"

namespace xattn {

/// Writes a plan as JSON, with the processor, its kernels and the number of threads that it is of.
/// The file appears whole or not at all. Throws FileError where it cannot be written.
XATTN_API void save_plan(const std::string& path, const Plan& plan);

/// Reads what `save_plan` wrote. Throws FileError where the file cannot be read, is something else,
/// or was measured on another processor, with other kernels or another number of threads.
XATTN_API Plan load_plan(const std::string& path);

}  // namespace xattn
