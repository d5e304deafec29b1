#include "images/picture_size.h"

#include "core/text.h"

namespace xattn::images {

void check_pixel_count(const io::Subject& subject, const PictureSize& size,
                       std::int64_t max_pixels) {
  if (size.height == 0 || size.width == 0) {
    subject.fail(cat("is ", size.width, "×", size.height, " pixels, expected at least one"));
  }
  if (size.width * size.height > max_pixels) {
    subject.fail(cat("is ", size.width, "×", size.height, " pixels, expected at most ", max_pixels,
                     " in all: a small file can claim any size (a decompression bomb); for a "
                     "picture that you trust, raise max_pixels"));
  }
}

}  // namespace xattn::images
