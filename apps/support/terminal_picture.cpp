#include "support/terminal_picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "xattn/images/resize.h"

namespace xattn::apps {

std::string terminal_picture(const at::Tensor& pixels, const Terminal& terminal) {
  const auto height = pixels.size(0), width = pixels.size(1);
  // One row stays free for the prompt that follows.
  const auto most_rows = std::max<int64_t>(terminal.rows - 1, 1);
  const auto scale =
      std::min({1.0, static_cast<double>(terminal.columns) / static_cast<double>(width),
                2.0 * static_cast<double>(most_rows) / static_cast<double>(height)});
  const auto scaled = [scale](int64_t side) {
    return std::max<int64_t>(std::llround(scale * static_cast<double>(side)), 1);
  };
  const auto rows = scaled(height), columns = scaled(width);
  const auto small = resize(pixels, rows, columns, Resampling::kLanczos).contiguous();
  const auto* values = small.const_data_ptr<uint8_t>();
  const auto at = [&](int64_t row, int64_t column) {
    return values + 3 * (std::min(row, rows - 1) * columns + column);
  };
  std::string text;
  for (int64_t row = 0; row < rows; row += 2) {
    for (int64_t column = 0; column < columns; ++column) {
      const auto* above = at(row, column);
      const auto* below = at(row + 1, column);
      fmt::format_to(std::back_inserter(text), "\x1b[38;2;{};{};{};48;2;{};{};{}m▀", above[0],
                     above[1], above[2], below[0], below[1], below[2]);
    }
    text += "\x1b[0m\n";
  }
  return text;
}

}  // namespace xattn::apps
