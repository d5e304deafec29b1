#include "support/precision.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "core/check.h"
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

void check_precision(const std::optional<Precision>& precision, at::ScalarType dtype,
                     at::Device device) {
  if (!precision) return;
  if (dtype != at::kFloat) {
    throw UsageError(fmt::format(
        "--precision: expected none beside --dtype {}, only float32 has it", dtype_text(dtype)));
  }
  if (!device.is_cpu()) {
    throw UsageError(
        fmt::format("--precision: expected none on {}, only on the CPU", device.str()));
  }
}

}  // namespace xattn::apps
