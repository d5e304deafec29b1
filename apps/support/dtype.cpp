#include "support/dtype.h"

#include <CLI/CLI.hpp>

#include "support/program.h"

namespace xattn::apps {

at::ScalarType parse_dtype(const std::string& text) {
  if (text == "float32" || text == "fp32") return at::kFloat;
  if (text == "float16" || text == "fp16") return at::kHalf;
  if (text == "bfloat16" || text == "bf16") return at::kBFloat16;
  if (text == "float64" || text == "fp64") return at::kDouble;
  throw UsageError("--dtype: expected float32, float16, bfloat16 or float64, got '" + text + "'");
}

void add_dtype_option(CLI::App& command, std::optional<at::ScalarType>& dtype,
                      const std::string& description) {
  command.add_option_function<std::string>(
      "--dtype", [&dtype](const std::string& text) { dtype = parse_dtype(text); },
      description + ": float32, float16, bfloat16 or float64");
}

}  // namespace xattn::apps
