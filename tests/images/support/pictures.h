#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// Small files of pictures, made here byte by byte, so that any part of them can be wrong.
namespace xattn::testing {

std::string be32(std::uint32_t value);

/// A chunk with its length and checksum.
std::string png_chunk(std::string_view type, std::string_view data);

std::string deflated(std::string_view bytes);

struct PngParts {
  std::uint32_t width = 3, height = 2;
  int depth = 8, color = 2, interlace = 0;
  std::string before = {};  // chunks before the pixels
  std::string pixels = {};  // the data of IDAT; where empty, right ones of zeros
  std::string after = {};   // chunks behind them
  bool has_end = true;
};
std::string png_file(const PngParts& parts = {});

struct JpegParts {
  int width = 20, height = 12, components = 3;
  bool progressive = false;
  /// Each component in a scan of its own.
  bool separate_scans = false;
  bool with_restarts = false;
};
std::string jpeg_file(const JpegParts& parts = {});

}  // namespace xattn::testing
