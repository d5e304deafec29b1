#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace xattn::io {

// Tensor bytes are copied as they are, so the machine must be little-endian as the files are.
static_assert(std::endian::native == std::endian::little);

template <class Integer>
Integer load_le(const void* from) {
  Integer value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

inline std::uint16_t load_u16(const void* from) {
  return load_le<std::uint16_t>(from);
}
inline std::uint32_t load_u32(const void* from) {
  return load_le<std::uint32_t>(from);
}
inline std::uint64_t load_u64(const void* from) {
  return load_le<std::uint64_t>(from);
}

}  // namespace xattn::io
