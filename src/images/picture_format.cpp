#include "images/picture_format.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "core/text.h"
#include "io/mistaken.h"

namespace xattn::images {
namespace {

using namespace std::string_view_literals;

constexpr auto kPngStart = "\x89PNG\r\n\x1a\n"sv;
constexpr auto kJpegStart = "\xff\xd8\xff"sv;

/// The container of HEIC and AVIF, which its brand tells apart.
std::string_view name_of_brand(std::string_view start) {
  if (start.size() < 12 || start.substr(4, 4) != "ftyp") return {};
  const auto brand = start.substr(8, 4);
  if (brand == "avif" || brand == "avis") return "an AVIF picture";
  for (const auto known :
       {"heic"sv, "heix"sv, "hevc"sv, "hevx"sv, "heim"sv, "heis"sv, "mif1"sv, "msf1"sv}) {
    if (brand == known) return "a HEIC picture";
  }
  return "a film or sound (MP4)";
}

/// What a file is that is no PNG and no JPEG; empty where that is unknown.
std::string_view name_of_other(std::string_view start) {
  if (start.starts_with("RIFF") && start.find("WEBP") == 8) return "a WebP picture";
  if (const auto name = name_of_brand(start); !name.empty()) return name;
  struct Known {
    std::string_view start, name;
  };
  static constexpr Known kKnown[] = {
      {"GIF87a", "a GIF picture"},
      {"GIF89a", "a GIF picture"},
      {"BM", "a BMP picture"},
      {"II*\0"sv, "a TIFF picture"},
      {"MM\0*"sv, "a TIFF picture"},
      {"II+\0"sv, "a TIFF picture"},
      {"MM\0+"sv, "a TIFF picture"},
      {"\xff\x0a", "a JPEG XL picture"},
      {"\0\0\0\x0cJXL "sv, "a JPEG XL picture"},
      {"\0\0\0\x0cjP  "sv, "a JPEG 2000 picture"},
      {"\xff\x4f\xff\x51", "a JPEG 2000 picture"},
      {"8BPS", "a Photoshop picture"},
      {"qoif", "a QOI picture"},
      {"\0\0\1\0"sv, "an ICO picture"},
      {"%PDF-", "a PDF document"},
      {"<svg", "an SVG drawing"},
      {"<?xml", "an XML document, perhaps an SVG drawing"},
  };
  for (const auto& known : kKnown) {
    if (start.starts_with(known.start)) return known.name;
  }
  if (start.size() > 2 && start[0] == 'P' && start[1] >= '1' && start[1] <= '6' &&
      (start[2] == '\n' || start[2] == ' ')) {
    return "a PNM picture";
  }
  return {};
}

std::string first_bytes(const io::File& file) {
  return file.read(0, static_cast<std::size_t>(std::min<std::uint64_t>(64, file.size())));
}

}  // namespace

PictureFormat picture_format(const io::File& file) {
  const auto start = first_bytes(file);
  if (start.starts_with(kPngStart)) return PictureFormat::kPng;
  if (start.starts_with(kJpegStart)) return PictureFormat::kJpeg;
  if (start.empty()) file.fail("is empty, expected a PNG or JPEG picture");
  if (const auto mistaken = io::mistaken_bytes(start); !mistaken.empty()) file.fail(mistaken);
  if (const auto name = name_of_other(start); !name.empty()) {
    file.fail(cat("is ", name,
                  ", expected PNG or JPEG: save it as PNG, in Python with "
                  "PIL.Image.open(FILE).save('picture.png')"));
  }
  file.fail(cat("is no picture that is known: expected PNG or JPEG, got a file that begins with ",
                quote(start.substr(0, 8))));
}

void expect_format(const io::File& file, PictureFormat expected) {
  if (picture_format(file) == expected) return;
  file.fail(expected == PictureFormat::kPng
                ? "is a JPEG picture, expected PNG: read it with load_jpeg or load_image"
                : "is a PNG picture, expected JPEG: read it with load_png or load_image");
}

}  // namespace xattn::images
