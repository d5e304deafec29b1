#include "xattn/images/png.h"

#include "images/check_pixels.h"
#include "images/png_chunks.h"
#include "images/png_reader.h"
#include "images/png_writer.h"

namespace xattn {

at::Tensor load_png(const std::string& path, const ImageReadOptions& options) {
  const io::File file("load_png", path);
  images::PngReader reader(file, options.max_pixels);
  auto pixels = images::empty_pixels(reader.size());
  reader.read(pixels.mutable_data_ptr<uint8_t>());
  return pixels;
}

std::map<std::string, std::string> load_png_text(const std::string& path) {
  return images::read_png_texts(io::File("load_png_text", path), {});
}

void save_png(const std::string& path, const at::Tensor& pixels,
              const std::map<std::string, std::string>& text) {
  constexpr auto kPlace = "save_png";
  const auto size = images::check_pixels(kPlace, "pixels", pixels);
  const auto plain = pixels.contiguous();
  images::write_png({kPlace, path}, size, plain.const_data_ptr<uint8_t>(), text);
}

}  // namespace xattn
