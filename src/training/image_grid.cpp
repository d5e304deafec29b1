#include "xattn/training/image_grid.h"

#include <algorithm>

#include "core/check.h"
#include "core/text.h"
#include "images/check_pixels.h"
#include "training/canvas.h"
#include "xattn/images/convert.h"

namespace xattn {
namespace {

constexpr auto kGridPlace = "image_grid";

}  // namespace

at::Tensor image_grid(const std::vector<at::Tensor>& pictures, const ImageGridOptions& options) {
  if (pictures.empty()) throw_value_error(kGridPlace, "pictures", "pictures", "none");
  check_at_least(kGridPlace, "columns", options.columns, 1);
  check_at_least(kGridPlace, "gap", options.gap, 0);
  const auto count = static_cast<int64_t>(pictures.size());
  const auto columns = std::min(options.columns, count);
  const auto rows = (count + columns - 1) / columns;
  const auto labels = static_cast<int64_t>(options.row_labels.size());
  if (labels != 0 && labels != rows) {
    throw_value_error(kGridPlace, "row_labels", cat("none, or ", rows, " labels"),
                      std::to_string(labels));
  }
  const auto size = images::check_pixels(kGridPlace, "pictures[0]", pictures[0]);
  for (int64_t i = 1; i < count; ++i) {
    const auto name = cat("pictures[", i, "]");
    const auto other = images::check_pixels(kGridPlace, name, pictures[static_cast<size_t>(i)]);
    if (other.height != size.height || other.width != size.width) {
      throw_value_error(kGridPlace, name, cat(size.height, " x ", size.width, " as the first"),
                        cat(other.height, " x ", other.width));
    }
  }

  constexpr int kScale = 2;
  int64_t label_width = 0;
  for (const auto& label : options.row_labels) {
    label_width = std::max(label_width, training::Canvas::text_width(label, kScale) + 12);
  }
  constexpr int64_t kMostPixels = int64_t{1} << 28;
  // Each factor is below 2³¹ or so, and the sides are checked before they are multiplied.
  const auto gap = std::min(options.gap, kMostPixels);
  const auto side = [&](int64_t number, int64_t length) {
    const auto step = length + gap;
    return number > kMostPixels / step ? kMostPixels + 1 : gap + number * step;
  };
  const auto height = side(rows, size.height), width = side(columns, size.width) + label_width;
  if (height > kMostPixels || width > kMostPixels / height) {
    throw_value_error(kGridPlace, "pictures", cat("at most ", kMostPixels, " pixels in all"),
                      cat(rows, " x ", columns, " pictures of ", size.height, " x ", size.width));
  }
  training::Canvas canvas(height, width, {255, 255, 255});
  for (int64_t i = 0; i < count; ++i) {
    canvas.picture(gap + i / columns * (size.height + gap),
                   label_width + gap + i % columns * (size.width + gap),
                   convert_to_rgb(pictures[static_cast<size_t>(i)]));
  }
  for (int64_t row = 0; row < labels; ++row) {
    const auto middle = gap + row * (size.height + gap) + size.height / 2;
    canvas.text({8, static_cast<double>(middle) - 3.5 * kScale},
                options.row_labels[static_cast<size_t>(row)], kScale, {71, 85, 105});
  }
  return canvas.pixels();
}

}  // namespace xattn
