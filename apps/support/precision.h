#pragma once

#include <optional>

#include "xattn/ops/precision.h"

namespace CLI {
class App;
}

namespace xattn::apps {

/// Adds `--precision`.
void add_precision_option(CLI::App& command, std::optional<Precision>& precision);

}  // namespace xattn::apps
