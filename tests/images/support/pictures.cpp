#include "images/support/pictures.h"

#include <cstddef>
#include <cstdio>
// Needs size_t and FILE.
#include <jpeglib.h>
#include <zlib.h>

#include <cstdlib>
#include <vector>

namespace xattn::testing {
namespace {

struct Pass {
  std::uint32_t y, x, dy, dx;
};

/// The first line and column of each pass, and the steps to the next ones.
std::vector<Pass> passes_of(int interlace) {
  if (interlace == 0) return {{0, 0, 1, 1}};
  return {{0, 0, 8, 8}, {0, 4, 8, 8}, {4, 0, 8, 4}, {0, 2, 4, 4},
          {2, 0, 4, 2}, {0, 1, 2, 2}, {1, 0, 2, 1}};
}

}  // namespace

std::string be32(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(value >> shift));
  return bytes;
}

std::string png_chunk(std::string_view type, std::string_view data) {
  const auto body = std::string(type) + std::string(data);
  const auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(body.data()), body.size());
  return be32(static_cast<std::uint32_t>(data.size())) + body +
         be32(static_cast<std::uint32_t>(crc));
}

std::string deflated(std::string_view bytes) {
  uLongf size = compressBound(bytes.size());
  std::string result(size, '\0');
  compress2(reinterpret_cast<Bytef*>(result.data()), &size,
            reinterpret_cast<const Bytef*>(bytes.data()), bytes.size(), 9);
  result.resize(size);
  return result;
}

std::string png_file(const PngParts& parts) {
  static constexpr int kChannels[] = {1, 0, 3, 1, 2, 0, 4};
  const auto header = be32(parts.width) + be32(parts.height) + static_cast<char>(parts.depth) +
                      static_cast<char>(parts.color) + '\0' + '\0' +
                      static_cast<char>(parts.interlace);
  auto pixels = parts.pixels;
  if (pixels.empty()) {
    std::size_t bytes = 0;
    for (const auto& [y, x, dy, dx] : passes_of(parts.interlace)) {
      const auto height = (parts.height - y + dy - 1) / dy, width = (parts.width - x + dx - 1) / dx;
      if (parts.height <= y || parts.width <= x) continue;
      bytes += height * ((width * kChannels[parts.color] * parts.depth + 7) / 8 + std::size_t{1});
    }
    pixels = deflated(std::string(bytes, '\0'));
  }
  return "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", header) + parts.before +
         png_chunk("IDAT", pixels) + parts.after + (parts.has_end ? png_chunk("IEND", "") : "");
}

std::string jpeg_file(const JpegParts& parts) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;  // NOLINT(google-runtime-int): libjpeg's
  jpeg_mem_dest(&info, &bytes, &size);
  info.image_width = static_cast<JDIMENSION>(parts.width);
  info.image_height = static_cast<JDIMENSION>(parts.height);
  info.input_components = parts.components;
  info.in_color_space =
      parts.components == 1 ? JCS_GRAYSCALE : (parts.components == 3 ? JCS_RGB : JCS_CMYK);
  jpeg_set_defaults(&info);
  jpeg_scan_info scans[4]{};
  if (parts.separate_scans) {
    for (int i = 0; i < parts.components; ++i) {
      scans[i].comps_in_scan = 1;
      scans[i].component_index[0] = i;
      scans[i].Se = 63;
    }
    info.scan_info = scans;
    info.num_scans = parts.components;
  }
  if (parts.progressive) jpeg_simple_progression(&info);
  if (parts.with_restarts) info.restart_interval = 1;
  jpeg_start_compress(&info, TRUE);
  std::vector<unsigned char> line(static_cast<std::size_t>(parts.width * parts.components));
  while (info.next_scanline < info.image_height) {
    for (std::size_t x = 0; x < line.size(); ++x) {
      line[x] = static_cast<unsigned char>(x * 37 + info.next_scanline * 11);
    }
    JSAMPROW rows[] = {line.data()};
    jpeg_write_scanlines(&info, rows, 1);
  }
  jpeg_finish_compress(&info);
  std::string file(reinterpret_cast<const char*>(bytes), size);
  std::free(bytes);
  jpeg_destroy_compress(&info);
  return file;
}

}  // namespace xattn::testing
