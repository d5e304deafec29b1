#pragma once

#include <ATen/core/TensorBody.h>

#include <optional>

#include "xattn/ops/precision.h"

namespace CLI {
class App;
}

namespace xattn::apps {

/// Adds `--precision`.
void add_precision_option(CLI::App& command, std::optional<Precision>& precision);

/// Throws `UsageError` where a precision was given that this dtype or device does not know.
void check_precision(const std::optional<Precision>& precision, at::ScalarType dtype,
                     at::Device device);

}  // namespace xattn::apps
