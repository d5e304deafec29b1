#pragma once

#include "subject.h"

namespace xattn::io {

/// Refuses a JSON text that nests too deep, or whose single tokens are so long that a parser's
/// buffers for them would matter. Runs before the parser and understands no more than quotes and
/// brackets.
void guard_json(const Subject& subject, std::string_view json);

}  // namespace xattn::io
