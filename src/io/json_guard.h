#pragma once

#include "io/subject.h"

namespace xattn::io {

/// What a JSON text is, for messages, and how deep it may nest.
struct JsonLimits {
  std::string_view what = "safetensors header";
  int depth = 3;
};

/// Refuses a JSON text that nests too deep, or whose single tokens are so long that a parser's
/// buffers for them would matter. Runs before the parser and understands no more than quotes and
/// brackets.
void guard_json(const Subject& subject, std::string_view json, const JsonLimits& limits = {});

}  // namespace xattn::io
