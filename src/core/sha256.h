#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace xattn {

/// The SHA-256 of bytes that come part by part: two contents have the same only if they are the
/// same.
///
/// Reference: FIPS 180-4.
class Sha256 {
 public:
  void add(const void* bytes, std::size_t count);
  void add(std::string_view bytes) { add(bytes.data(), bytes.size()); }

  /// 64 hex digits. Nothing is added after it.
  std::string hex_digest();

 private:
  void mix(const std::uint8_t* block);

  std::array<std::uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::uint8_t, 64> block_{};
  std::uint64_t size_ = 0;
};

}  // namespace xattn
