#pragma once

#include <cstdint>
#include <memory>

#include "images/picture_size.h"
#include "io/file.h"

namespace xattn::images {

/// The pixels of a PNG file, by libpng.
///
/// What is read is what Pillow shows: palettes as colours, 1, 2 and 4 bits spread over 0…255, of 16
/// bits the upper eight. Of 16-bit grey, though, Pillow keeps the values and cuts them off at 255
/// when it converts them, and so do we. Transparency (tRNS) is a channel of alpha. Gamma and colour
/// profiles are not applied, and of an animation the first picture is read.
///
/// Every chunk's checksum is checked. Chunks that say nothing of the pixels are passed over.
class PngReader {
 public:
  /// Reads the file up to its pixels. `file` lives as long as this.
  PngReader(const io::File& file, std::int64_t max_pixels);
  ~PngReader();
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  const PictureSize& size() const { return size_; }

  /// Writes `size().bytes()` bytes. Is called once.
  void read(std::uint8_t* to);

 private:
  struct Decoder;

  void read_header(std::int64_t max_pixels);
  [[noreturn]] void fail() const;

  const io::File& file_;
  std::unique_ptr<Decoder> decoder_;
  PictureSize size_;
};

}  // namespace xattn::images
