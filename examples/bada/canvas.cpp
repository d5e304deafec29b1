#include "canvas.h"

namespace bada {

Picture Canvas::picture() const {
  Picture picture;
  auto* value = picture.rgb.data();
  for (const auto& pixel : pixels_) {
    for (const float channel : {pixel.r, pixel.g, pixel.b})
      *value++ = static_cast<uint8_t>(clamp01(channel) * 255.0f + 0.5f);
  }
  return picture;
}

}  // namespace bada
