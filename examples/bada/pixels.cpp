#include "pixels.h"

#include <ATen/ops/empty.h>
#include <xattn/core/error.h>
#include <xattn/images/load_image.h>

#include <cstring>

namespace bada {

at::Tensor to_tensor(const Picture& picture) {
  auto pixels = at::empty({kSize, kSize, 3}, at::kByte);
  std::memcpy(pixels.mutable_data_ptr<uint8_t>(), picture.rgb.data(), picture.rgb.size());
  return pixels;
}

Picture load_picture(const std::string& path) {
  const auto pixels = xattn::load_image(path).contiguous();
  if (pixels.size(0) != kSize || pixels.size(1) != kSize) {
    throw xattn::FileError("[bada] " + path + ": expected a picture of 128×128, got " +
                           std::to_string(pixels.size(1)) + "×" + std::to_string(pixels.size(0)));
  }
  Picture picture;
  std::memcpy(picture.rgb.data(), pixels.const_data_ptr<uint8_t>(), picture.rgb.size());
  return picture;
}

}  // namespace bada
