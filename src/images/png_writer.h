#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "images/picture_size.h"
#include "io/subject.h"

namespace xattn::images {

/// Writes pixels of 8 bits (grey, grey and alpha, RGB, RGBA) and texts, which are UTF-8, as a PNG
/// file: tEXt where Latin-1 has all characters, else iTXt. The file appears whole or not at all.
///
/// Throws: `ValueError` for a keyword or a text that PNG does not have, before anything is written.
void write_png(const io::Subject& subject, const PictureSize& size, const std::uint8_t* pixels,
               const std::map<std::string, std::string>& texts);

}  // namespace xattn::images
