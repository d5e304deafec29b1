#include "xattn/images/jpeg.h"

#include "images/check_pixels.h"
#include "images/jpeg_reader.h"

namespace xattn {

at::Tensor load_jpeg(const std::string& path, const ImageReadOptions& options) {
  const io::File file("load_jpeg", path);
  images::JpegReader reader(file, options.max_pixels);
  auto pixels = images::empty_pixels(reader.size());
  reader.read(pixels.mutable_data_ptr<uint8_t>());
  return pixels;
}

}  // namespace xattn
