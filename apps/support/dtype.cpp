#include "support/dtype.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "core/check.h"
#include "support/program.h"

namespace xattn::apps {
namespace {

std::optional<at::ScalarType> find_half(const std::string& text) {
  if (text == "float16" || text == "fp16") return at::kHalf;
  if (text == "bfloat16" || text == "bf16") return at::kBFloat16;
  return std::nullopt;
}

}  // namespace

at::ScalarType parse_dtype(const std::string& text) {
  if (text == "float32" || text == "fp32") return at::kFloat;
  if (text == "float64" || text == "fp64") return at::kDouble;
  if (const auto half = find_half(text)) return *half;
  throw UsageError("--dtype: expected float32, float16, bfloat16 or float64, got '" + text + "'");
}

void add_dtype_option(CLI::App& command, std::optional<at::ScalarType>& dtype,
                      const std::string& description) {
  command.add_option_function<std::string>(
      "--dtype", [&dtype](const std::string& text) { dtype = parse_dtype(text); },
      description + ": float32, float16, bfloat16 or float64");
}

void add_weights_dtype_option(CLI::App& command, std::optional<at::ScalarType>& dtype,
                              const std::string& models) {
  command.add_option_function<std::string>(
      "--weights-dtype",
      [&dtype](const std::string& text) {
        dtype = find_half(text);
        if (!dtype) {
          throw UsageError("--weights-dtype: expected fp16 or bf16, got '" + text + "'");
        }
      },
      "of " + models +
          ": fp16 or bf16 keeps the large weights so in memory, half of what they take, and "
          "computes in float32 all the same, on the CPU");
}

void check_float32_on_cpu(const std::string& option, bool is_given, at::ScalarType dtype,
                          at::Device device) {
  if (!is_given) return;
  if (dtype != at::kFloat) {
    throw UsageError(fmt::format("{}: expected none beside --dtype {}, only float32 has it", option,
                                 dtype_text(dtype)));
  }
  if (!device.is_cpu()) {
    throw UsageError(fmt::format("{}: expected none on {}, only on the CPU", option, device.str()));
  }
}

}  // namespace xattn::apps
