// Any bytes as a picture: PNG or JPEG. A PNG's checksums are made right first, for hardly any
// mutation would get past them.
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "core/utf8.h"
#include "fuzz/support/fuzz.h"
#include "images/jpeg_reader.h"
#include "images/orientation.h"
#include "images/picture_format.h"
#include "images/png_chunks.h"
#include "images/png_reader.h"
#include "xattn/core/error.h"

namespace xattn::fuzz {
namespace {

/// Few enough for a second under sanitizers.
constexpr std::int64_t kMostPixels = 1 << 18;

/// The bytes with right checksums, as far as their chunks go.
std::string repaired(const std::uint8_t* data, std::size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  const auto number = [&](std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      value = value << 8 | static_cast<std::uint8_t>(bytes[at + i]);
    }
    return value;
  };
  for (std::size_t at = 8; size >= 12 && at <= size - 12;) {
    const std::size_t length = number(at);
    if (length > size - at - 12) break;
    const auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data() + at + 4), length + 4);
    for (std::size_t i = 0; i < 4; ++i) {
      bytes[at + 8 + length + i] = static_cast<char>(crc >> (24 - 8 * i));
    }
    at += 12 + length;
  }
  return bytes;
}

template <class Reader>
void read_pixels(const io::File& file, std::size_t most_channels) {
  std::unique_ptr<Reader> reader;
  {
    const MemoryBound bound(kMostMemory);
    reader = std::make_unique<Reader>(file, kMostPixels);
  }
  const auto& size = reader->size();
  expect(size.height >= 1 && size.width >= 1, "a picture has pixels");
  expect(size.height * size.width <= kMostPixels, "a picture is as small as it must be");
  expect(size.channels >= 1 && size.channels <= std::int64_t(most_channels), "1 to 4 channels");
  const auto pixels = std::make_unique<std::uint8_t[]>(size.bytes());
  const MemoryBound bound(kMostMemory);
  reader->read(pixels.get());
}

/// Whether `work` was done, and not refused.
template <class Work>
bool is_done(const Work& work) {
  try {
    work();
    return true;
  } catch (const FileError& error) {
    check_message(error.what(), "fuzz");
    return false;
  }
}

void run(const std::string& bytes) {
  const auto path = file_of(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  const io::File file("fuzz", path);
  bool is_png = false;
  if (!is_done([&] { is_png = images::picture_format(file) == images::PictureFormat::kPng; })) {
    return;
  }
  is_done([&] {
    const MemoryBound bound(kMostMemory);
    images::orientation(file);
  });
  if (!is_png) {
    is_done([&] { read_pixels<images::JpegReader>(file, 3); });
    return;
  }
  is_done([&] {
    const MemoryBound bound(3 * images::kMostTexts);
    for (const auto& [keyword, text] : images::read_png_texts(file, {})) {
      expect(is_utf8(keyword) && is_utf8(text), "texts are UTF-8");
    }
  });
  is_done([&] { read_pixels<images::PngReader>(file, 4); });
}

}  // namespace
}  // namespace xattn::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace xattn::fuzz;
  if (size > 8 && data[0] == 0x89) {
    run(repaired(data, size));
  } else {
    run(std::string(reinterpret_cast<const char*>(data), size));
  }
  return 0;
}
