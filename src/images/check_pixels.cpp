#include "images/check_pixels.h"

#include <ATen/ops/empty.h>

#include <limits>

#include "core/check.h"
#include "core/text.h"

namespace xattn::images {

PictureSize check_pixels(std::string_view place, std::string_view name, const at::Tensor& pixels) {
  constexpr auto kExpected = "uint8 [height, width, 1 to 4 channels] on the CPU";
  if (!pixels.defined()) throw_value_error(place, name, kExpected, "an undefined tensor");
  if (pixels.scalar_type() != at::kByte) {
    throw_value_error(place, name, kExpected, dtype_text(pixels.scalar_type()));
  }
  const auto is_size = [&](int64_t dim) {
    return pixels.size(dim) >= 1 && pixels.size(dim) <= std::numeric_limits<int32_t>::max();
  };
  if (pixels.dim() != 3 || !is_size(0) || !is_size(1) || pixels.size(2) < 1 || pixels.size(2) > 4) {
    throw_value_error(place, name, kExpected, shape_text(pixels.sizes()));
  }
  if (!pixels.is_cpu()) throw_value_error(place, name, kExpected, pixels.device().str());
  return {pixels.size(0), pixels.size(1), pixels.size(2)};
}

at::Tensor empty_pixels(const PictureSize& size) {
  return at::empty({size.height, size.width, size.channels}, at::kByte);
}

}  // namespace xattn::images
