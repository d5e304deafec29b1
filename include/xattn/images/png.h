#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "xattn/core/export.h"
#include "xattn/images/image_read_options.h"

namespace xattn {

/// Reads the pixels of a PNG file: uint8 `[height, width, channels]` on the CPU, 1 channel for
/// grey, 2 for grey and alpha, 3 for RGB, 4 for RGBA.
///
/// Every colour type, depth and interlacing is read. The values are Pillow's: 1, 2 and 4 bits are
/// spread over 0…255, palettes become RGB, of 16 bits the upper eight are taken. 16-bit grey is an
/// exception, which Pillow cuts off at 255 (`Image.open(f).convert("L")`): 256 is as white as
/// 65535. A transparent colour (tRNS) is a channel of alpha. Gamma, colour profiles and orientation
/// are not applied (`load_image` applies the last), and of an animation the first picture is read.
///
/// Throws: `FileError` where the file cannot be read, is no PNG, is cut short or damaged (all
/// checksums are checked), or has more pixels than the options allow.
///
/// Reference: Pillow 13.0, PngImagePlugin.py.
XATTN_API at::Tensor load_png(const std::string& path, const ImageReadOptions& options = {});

/// Reads a PNG file's texts by keyword (tEXt, zTXt and iTXt) as UTF-8, and no pixels. Of two texts
/// with one keyword the last counts.
///
/// A text that is compressed may have 1 MiB, all of them together 64 MiB, as in Pillow.
///
/// Throws: `FileError` where the file cannot be read, is no PNG, or a text is damaged or too long.
///
/// Reference: Pillow 13.0, PngImageFile.text.
XATTN_API std::map<std::string, std::string> load_png_text(const std::string& path);

/// Writes pixels as PNG: uint8 `[height, width, channels]` on the CPU with 1 (grey), 2 (grey,
/// alpha), 3 (RGB) or 4 (RGBA) channels. The file appears complete or not at all.
///
/// `text` is UTF-8 by keyword, such as {"parameters", prompt}; it is written as tEXt where Latin-1
/// has its characters, and else as iTXt.
///
/// Throws: `ValueError` for other tensors, for a keyword that is not 1 to 79 printable characters
/// of Latin-1, and for a text that is not UTF-8, has a zero byte or, with the others, more than 32
/// MiB; `FileError` where the file cannot be written.
///
/// Reference: Pillow 13.0, PngInfo.add_text.
XATTN_API void save_png(const std::string& path, const at::Tensor& pixels,
                        const std::map<std::string, std::string>& text = {});

}  // namespace xattn
