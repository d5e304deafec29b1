#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "io/file.h"

namespace xattn::images {

/// A chunk of a PNG file.
struct PngChunk {
  std::string_view type;
  std::uint64_t offset = 0;  // of its length, where the chunk begins
  std::uint32_t length = 0;  // of its data
};

/// Calls `visit` with each chunk of a PNG file up to IEND; the data are not read.
void visit_png_chunks(const io::File& file, const std::function<void(const PngChunk&)>& visit);

/// The data of a chunk, whose checksum is checked.
std::string read_png_chunk(const io::File& file, const PngChunk& chunk);

/// The texts of a PNG file by keyword, in UTF-8: tEXt, zTXt and iTXt. Of two with one keyword the
/// last counts. With `wanted`, only those keywords' texts are read.
std::map<std::string, std::string> read_png_texts(
    const io::File& file, const std::function<bool(std::string_view)>& wanted);

/// UTF-8 of Latin-1.
std::string from_latin1(std::string_view bytes);

/// The most bytes of a text that was compressed, and of all texts of a file, as in Pillow.
inline constexpr std::size_t kMostInflatedText = std::size_t{1} << 20;
inline constexpr std::size_t kMostTexts = std::size_t{64} << 20;

}  // namespace xattn::images
