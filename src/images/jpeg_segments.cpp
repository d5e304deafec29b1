#include "images/jpeg_segments.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "core/text.h"
#include "images/picture_format.h"

// A JPEG file is a sequence of segments: 0xff, a marker, and for most of them a length of two
// bytes, which counts itself, and data. The picture's data follow the marker 0xda, without a
// length.

namespace xattn::images {
namespace {

using namespace std::string_view_literals;

constexpr auto kExif = "Exif\0\0"sv;
constexpr auto kXmp = "http://ns.adobe.com/xap/1.0/\0"sv;
constexpr std::size_t kMostMetadata = std::size_t{16} << 20;

constexpr int kFirstBare = 0xd0, kLastBare = 0xd9, kBare = 0x01;  // markers without data
constexpr int kScan = 0xda, kApp1 = 0xe1;

/// The next marker and the offset behind it. What is no marker is passed over, as by decoders.
int next_marker(const io::File& file, std::uint64_t& offset) {
  std::array<unsigned char, 256> bytes;
  bool after_ff = false;
  while (true) {
    const auto count =
        static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), file.size() - offset));
    if (count == 0) {
      file.fail(
          cat("is cut short: expected the picture's data before the file's end, at byte ", offset));
    }
    file.read(offset, bytes.data(), count);
    for (std::size_t i = 0; i < count; ++i) {
      const int byte = bytes[i];
      if (after_ff && byte != 0xff && byte != 0) {
        offset += i + 1;
        return byte;
      }
      after_ff = byte == 0xff;
    }
    offset += count;
  }
}

}  // namespace

JpegMetadata read_jpeg_metadata(const io::File& file) {
  expect_format(file, PictureFormat::kJpeg);
  JpegMetadata found;
  std::uint64_t offset = 0;
  std::size_t total = 0;
  for (int marker = next_marker(file, offset); marker != kScan;
       marker = next_marker(file, offset)) {
    if (marker == kBare || (marker >= kFirstBare && marker <= kLastBare)) continue;
    std::array<unsigned char, 2> start;
    file.read(offset, start.data(), start.size());
    const std::size_t length = start[0] * std::size_t{256} + start[1];
    if (length < 2) {
      file.fail(cat("segment at byte ", offset, ": expected a length of 2 or more, got ", length));
    }
    if (marker == kApp1) {
      const auto data = file.read(offset + 2, length - 2);
      total += data.size();
      if (total > kMostMetadata) {
        file.fail(cat("segment at byte ", offset, ": expected at most ", kMostMetadata,
                      " bytes of Exif and XMP in all, got more"));
      }
      if (data.starts_with(kExif)) found.exif += data.substr(kExif.size());
      if (data.starts_with(kXmp)) found.xmp = data.substr(kXmp.size());
    }
    offset += length;
  }
  return found;
}

}  // namespace xattn::images
