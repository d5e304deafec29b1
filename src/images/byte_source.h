#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "io/file.h"

namespace xattn::images {

/// A file's bytes from the first to the last, through a buffer: decoders ask for a few at a time.
class ByteSource {
 public:
  /// `file` lives as long as this.
  explicit ByteSource(const io::File& file) : file_(file) {}

  /// Reads exactly `count` bytes; throws FileError where the file ends before.
  void read(void* to, std::size_t count);

  /// The next bytes, as many as come at once; none at the file's end. They stay until the next
  /// call.
  std::string_view next_block();

  /// The bytes that were handed out.
  std::uint64_t position() const { return offset_ - (end_ - next_); }

 private:
  void fill();

  const io::File& file_;
  std::uint64_t offset_ = 0;  // of the file, behind the buffer
  std::size_t next_ = 0, end_ = 0;
  std::array<char, std::size_t{1} << 15> buffer_;
};

}  // namespace xattn::images
