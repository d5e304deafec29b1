#include "support/precision.h"

#include <CLI/CLI.hpp>
#include <string>

#include "support/program.h"

namespace xattn::apps {

void add_precision_option(CLI::App& command, std::optional<Precision>& precision) {
  command.add_option_function<std::string>(
      "--precision",
      [&precision](const std::string& text) {
        if (text != "fast" && text != "precise") {
          throw UsageError("--precision: expected fast or precise, got '" + text + "'");
        }
        precision = text == "fast" ? Precision::kFast : Precision::kPrecise;
      },
      "of float32 on the CPU: fast (without it), within 1e-5 of Python's, or precise, within 3e-6");
}

}  // namespace xattn::apps
