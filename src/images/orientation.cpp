#include "images/orientation.h"

#include <string>
#include <string_view>

#include "images/exif.h"
#include "images/jpeg_segments.h"
#include "images/picture_format.h"
#include "images/png_chunks.h"

namespace xattn::images {
namespace {

constexpr std::string_view kRawProfile = "Raw profile type exif", kXmpText = "XML:com.adobe.xmp";
constexpr std::uint32_t kLongestExif = std::uint32_t{16} << 20;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// The bytes of ImageMagick's text: an empty line, a name, a length, then lines of hex digits.
std::string bytes_of_profile(const io::File& file, std::string_view text) {
  for (int line = 0; line < 3; ++line) {
    const auto end = text.find('\n');
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  std::string bytes;
  int first = -1;
  for (const char c : text) {
    if (c == '\n' || c == ' ') continue;
    const int digit = hex_digit(c);
    if (digit < 0) file.fail("text 'Raw profile type exif': expected hex digits");
    if (first >= 0) bytes.push_back(static_cast<char>(first * 16 + digit));
    first = first >= 0 ? -1 : digit;
  }
  if (first >= 0) file.fail("text 'Raw profile type exif': expected pairs of hex digits");
  return bytes;
}

/// Exif data first; XMP only where they do not say.
int orientation_of(const io::File& file, std::string_view exif, std::string_view xmp) {
  const auto found = exif_orientation(file.subject(), exif);
  return found.has_tag ? found.value : xmp_orientation(xmp);
}

int orientation_of_png(const io::File& file) {
  std::string exif;
  visit_png_chunks(file, [&](const PngChunk& chunk) {
    if (chunk.type != "eXIf") return;
    if (chunk.length > kLongestExif) file.fail("chunk 'eXIf': expected at most 16 MiB, got more");
    exif = read_png_chunk(file, chunk);
  });
  const auto texts = read_png_texts(
      file, [](std::string_view keyword) { return keyword == kRawProfile || keyword == kXmpText; });
  const auto text = [&](std::string_view keyword) {
    const auto found = texts.find(std::string(keyword));
    return found == texts.end() ? std::string_view() : std::string_view(found->second);
  };
  if (exif.empty()) exif = bytes_of_profile(file, text(kRawProfile));
  return orientation_of(file, exif, text(kXmpText));
}

}  // namespace

int orientation(const io::File& file) {
  if (picture_format(file) == PictureFormat::kPng) return orientation_of_png(file);
  const auto metadata = read_jpeg_metadata(file);
  return orientation_of(file, metadata.exif, metadata.xmp);
}

}  // namespace xattn::images
