#pragma once

#include <torch/nn/module.h>

#include <optional>
#include <vector>

#include "recording.h"

namespace xattn::apps {

/// Calls a module with recorded arguments and gives its outputs in the original's order; nothing
/// for a class that is not known here.
std::optional<std::vector<at::Tensor>> run_recorded(torch::nn::Module& module,
                                                    const RecordedArguments& arguments);

}  // namespace xattn::apps
