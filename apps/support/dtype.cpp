#include "support/dtype.h"

#include "support/program.h"

namespace xattn::apps {

at::ScalarType parse_dtype(const std::string& text) {
  if (text == "float32") return at::kFloat;
  if (text == "float16") return at::kHalf;
  if (text == "bfloat16") return at::kBFloat16;
  if (text == "float64") return at::kDouble;
  throw UsageError("--dtype: expected float32, float16, bfloat16 or float64, got '" + text + "'");
}

}  // namespace xattn::apps
