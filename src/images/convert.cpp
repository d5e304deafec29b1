#include "xattn/images/convert.h"

#include <ATen/ops/repeat.h>

#include "images/check_pixels.h"

namespace xattn {

at::Tensor convert_to_rgb(const at::Tensor& pixels) {
  const auto size = images::check_pixels("convert_to_rgb", "pixels", pixels);
  if (size.channels < 3) return pixels.narrow(2, 0, 1).repeat({1, 1, 3});
  return pixels.narrow(2, 0, 3).clone(at::MemoryFormat::Contiguous);
}

at::Tensor convert_to_grey(const at::Tensor& pixels) {
  const auto size = images::check_pixels("convert_to_grey", "pixels", pixels);
  if (size.channels < 3) return pixels.narrow(2, 0, 1).clone(at::MemoryFormat::Contiguous);
  const auto plain = pixels.contiguous();
  auto grey = images::empty_pixels({size.height, size.width, 1});
  const auto* from = plain.const_data_ptr<uint8_t>();
  auto* to = grey.mutable_data_ptr<uint8_t>();
  for (int64_t i = 0; i < size.height * size.width; ++i, from += size.channels) {
    to[i] =
        static_cast<uint8_t>((19595 * from[0] + 38470 * from[1] + 7471 * from[2] + 0x8000) >> 16);
  }
  return grey;
}

}  // namespace xattn
