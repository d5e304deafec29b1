#pragma once

#include <c10/core/ScalarType.h>

#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace xattn::apps {

/// The dtype that "float32", "float16", "bfloat16" or "float64" stands for; or, shorter, "fp32",
/// "fp16", "bf16", "fp64".
///
/// Throws: `UsageError` for another text.
at::ScalarType parse_dtype(const std::string& text);

/// Registers --dtype, which is refused where it is no dtype, whatever the command does with it.
void add_dtype_option(CLI::App& command, std::optional<at::ScalarType>& dtype,
                      const std::string& description);

}  // namespace xattn::apps
