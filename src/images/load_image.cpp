#include "xattn/images/load_image.h"

#include <ATen/ops/flip.h>

#include "images/check_pixels.h"
#include "images/jpeg_reader.h"
#include "images/orientation.h"
#include "images/picture_format.h"
#include "images/png_reader.h"
#include "xattn/images/convert.h"

namespace xattn {
namespace {

template <class Reader>
at::Tensor read_picture(const io::File& file, const ImageReadOptions& options) {
  Reader reader(file, options.max_pixels);
  auto pixels = images::empty_pixels(reader.size());
  reader.read(pixels.template mutable_data_ptr<uint8_t>());
  return pixels;
}

/// Turns stored pixels `[H, W, C]` as Exif's orientation says.
at::Tensor turned(const at::Tensor& pixels, int orientation) {
  switch (orientation) {
    case 2:
      return pixels.flip({1});
    case 3:
      return pixels.flip({0, 1});
    case 4:
      return pixels.flip({0});
    case 5:
      return pixels.transpose(0, 1);
    case 6:
      return pixels.transpose(0, 1).flip({1});
    case 7:
      return pixels.transpose(0, 1).flip({0, 1});
    case 8:
      return pixels.transpose(0, 1).flip({0});
    default:
      return pixels;
  }
}

}  // namespace

at::Tensor load_image(const std::string& path, const ImageReadOptions& options) {
  const io::File file("load_image", path);
  const auto pixels = images::picture_format(file) == images::PictureFormat::kPng
                          ? read_picture<images::PngReader>(file, options)
                          : read_picture<images::JpegReader>(file, options);
  return convert_to_rgb(turned(pixels, images::orientation(file)));
}

}  // namespace xattn
