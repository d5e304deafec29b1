#pragma once

#include "generate_options.h"
#include "generate_plan.h"

namespace xattn::apps {

/// Makes and saves the pictures of a plan, and tells of it.
///
/// They are made one after the other: each is saved as soon as it is there, is the same bit for bit
/// as if it were made alone with its seed, and takes no more memory.
///
/// Returns an exit code: 0, or 130 or 143 where a signal stopped it.
int run_generation(const GenerateOptions& options, const GeneratePlan& plan);

}  // namespace xattn::apps
