#pragma once

#include <c10/core/Device.h>
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

/// Registers --weights-dtype, "float16" or "bfloat16" or, shorter, "fp16" or "bf16": the type that
/// a folder's model keeps its large weights in while it computes in float32.
void add_weights_dtype_option(CLI::App& command, std::optional<at::ScalarType>& dtype,
                              const std::string& models);

/// Throws `UsageError` where an option is given that only float32 on the CPU knows.
void check_float32_on_cpu(const std::string& option, bool is_given, at::ScalarType dtype,
                          at::Device device);

}  // namespace xattn::apps
