#pragma once

#include <string>
#include <string_view>

namespace xattn::io {

/// What is wrong with a JSON text before it is parsed; empty where nothing is.
///
/// It nests too deep, holds a zero byte (a parser would take it for the end) or a byte order mark
/// (which Python refuses), or one of its tokens is so long that a parser's buffers for it would
/// matter. Understands no more than quotes and brackets.
std::string json_guard_problem(std::string_view text, int most_levels);

}  // namespace xattn::io
