#include "xattn/training/image_transform.h"

#include <ATen/ops/flip.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>

#include <algorithm>

#include "core/check.h"
#include "core/text.h"
#include "images/check_pixels.h"
#include "xattn/images/convert.h"

namespace xattn {
namespace {

constexpr auto kTransform = "ImageTransform";

struct ResizedSize {
  int64_t height, width;
};

/// The size whose shorter side is `resolution`.
ResizedSize resized_size(int64_t height, int64_t width, int64_t resolution) {
  // Both sides are below 2³¹ and the resolution is small: the products fit.
  return height <= width ? ResizedSize{resolution, resolution * width / height}
                         : ResizedSize{resolution * height / width, resolution};
}

/// round(room / 2), halves to even.
int64_t centre(int64_t room) {
  const auto half = room / 2;
  return room % 2 == 1 && half % 2 == 1 ? half + 1 : half;
}

int64_t draw_below(int64_t bound, at::Generator& generator) {
  return at::randint(bound, {1}, generator, at::TensorOptions().dtype(at::kLong)).item<int64_t>();
}

std::string_view resampling_name(Resampling resampling) {
  switch (resampling) {
    case Resampling::kNearest:
      return "nearest";
    case Resampling::kBox:
      return "box";
    case Resampling::kBilinear:
      return "bilinear";
    case Resampling::kBicubic:
      return "bicubic";
    case Resampling::kLanczos:
      return "lanczos";
  }
  return "?";
}

}  // namespace

ImageTransform::ImageTransform(const ImageTransformOptions& options) : options_(options) {
  constexpr int64_t kLargest = 65536;
  if (options.resolution < 1 || options.resolution > kLargest) {
    throw_value_error(kTransform, "resolution", cat("1 to ", kLargest),
                      std::to_string(options.resolution));
  }
}

CropAndFlip ImageTransform::draw(int64_t height, int64_t width, at::Generator& generator) const {
  check_at_least(kTransform, "height", height, 1);
  check_at_least(kTransform, "width", width, 1);
  const bool draws = options_.crop == Crop::kRandom || options_.random_flip;
  if (draws && (!generator.defined() || generator.device().type() != at::kCPU)) {
    throw_value_error(kTransform, "generator", "one of the CPU",
                      generator.defined() ? generator.device().str() : "an undefined one");
  }
  const auto size = resized_size(height, width, options_.resolution);
  const auto rows = size.height - options_.resolution, columns = size.width - options_.resolution;
  CropAndFlip drawn{centre(rows), centre(columns), false};
  if (options_.crop == Crop::kRandom && (rows > 0 || columns > 0)) {
    drawn.top = draw_below(rows + 1, generator);
    drawn.left = draw_below(columns + 1, generator);
  }
  if (options_.random_flip) drawn.flip = at::rand({1}, generator).item<float>() < 0.5F;
  return drawn;
}

at::Tensor ImageTransform::apply(const at::Tensor& pixels, const CropAndFlip& crop_and_flip) const {
  const auto given = images::check_pixels(kTransform, "pixels", pixels);
  const auto resolution = options_.resolution;
  const auto size = resized_size(given.height, given.width, resolution);
  if (size.height > 1 << 24 || size.width > 1 << 24) {
    throw_value_error(kTransform, "pixels",
                      cat("a picture whose longer side, resized, is at most ", 1 << 24, " pixels"),
                      shape_text(pixels.sizes()));
  }
  const auto [top, left, flip] = crop_and_flip;
  if (top < 0 || top > size.height - resolution || left < 0 || left > size.width - resolution) {
    throw_value_error(
        kTransform, "crop",
        cat("a square of ", resolution, " pixels within ", size.height, " x ", size.width),
        cat("one from ", top, ", ", left));
  }
  auto cut = resize(convert_to_rgb(pixels), size.height, size.width, options_.resample)
                 .narrow(0, top, resolution)
                 .narrow(1, left, resolution);
  if (flip) cut = cut.flip({1});
  // In the original's order, so that each rounding is its own.
  return cut.permute({2, 0, 1})
      .to(at::kFloat, false, false, at::MemoryFormat::Contiguous)
      .div_(255)
      .sub_(0.5)
      .div_(0.5);
}

at::Tensor ImageTransform::operator()(const at::Tensor& pixels, at::Generator& generator) const {
  const auto size = images::check_pixels(kTransform, "pixels", pixels);
  return apply(pixels, draw(size.height, size.width, generator));
}

std::string ImageTransform::text() const {
  return cat(options_.resolution, "x", options_.resolution, " ", resampling_name(options_.resample),
             options_.crop == Crop::kCenter ? ", centre crop" : ", random crops",
             options_.random_flip ? ", random flips" : "");
}

}  // namespace xattn
