#pragma once

#include <cstdint>
#include <memory>

#include "images/picture_size.h"
#include "io/file.h"

namespace xattn::images {

/// The pixels of a JPEG file, by libjpeg-turbo: grey as one channel, YCbCr and RGB as RGB, and CMYK
/// and YCCK as the RGB that Pillow makes of them, which takes every CMYK picture to be inverted as
/// Adobe's are. The exact inverse DCT and smooth upsampling, as in Pillow.
///
/// Data at which the decoder would have to guess are refused.
class JpegReader {
 public:
  /// Reads the file up to its pixels. `file` lives as long as this.
  JpegReader(const io::File& file, std::int64_t max_pixels);
  ~JpegReader();
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  const PictureSize& size() const { return size_; }

  /// Writes `size().bytes()` bytes. Is called once.
  void read(std::uint8_t* to);

 private:
  struct Decoder;

  [[noreturn]] void fail() const;

  const io::File& file_;
  std::unique_ptr<Decoder> decoder_;
  PictureSize size_;
};

}  // namespace xattn::images
