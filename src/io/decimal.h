#pragma once

#include <string>
#include <string_view>

namespace xattn::io {

/// The decimal digits of a whole number in two's complement, little-endian. Takes time with the
/// square of its length: 0.1 ms for a kibibyte.
std::string decimal(std::string_view bytes);

}  // namespace xattn::io
