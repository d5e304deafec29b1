#include "models/autoencoder_kl/tiles.h"

#include <torch/types.h>
#include <torch/utils.h>

#include <algorithm>
#include <vector>

namespace xattn {
namespace {

/// `tile` with its first rows (dim 2) or columns (dim 3) faded in over the last of the one
/// `before`.
at::Tensor blend(const at::Tensor& before, const at::Tensor& tile, int64_t blend_extent,
                 int64_t dim) {
  const auto extent = std::min({before.size(dim), tile.size(dim), blend_extent});
  if (extent <= 0) return tile;
  std::vector<double> weights(static_cast<size_t>(extent));
  for (int64_t i = 0; i < extent; ++i)
    weights[static_cast<size_t>(i)] = static_cast<double>(i) / static_cast<double>(extent);
  const auto in_double = torch::tensor(weights, torch::kDouble);
  const auto along = [&](const at::Tensor& values) {
    auto shape = std::vector<int64_t>{1, 1, 1, 1};
    shape[static_cast<size_t>(dim)] = extent;
    return values.to(tile.options().requires_grad(false)).view(shape);
  };
  const auto mixed = before.slice(dim, before.size(dim) - extent) * along(1 - in_double) +
                     tile.slice(dim, 0, extent) * along(in_double);
  return torch::cat({mixed, tile.slice(dim, extent)}, dim);
}

}  // namespace

at::Tensor map_tiles(const at::Tensor& input, const Tiles& tiles,
                     const std::function<at::Tensor(const at::Tensor&)>& function) {
  std::vector<at::Tensor> result_rows;
  // The tiles above, blended: the original blends in place, so that what a tile is blended with
  // already is.
  std::vector<at::Tensor> above;
  for (int64_t y = 0; y < input.size(2); y += tiles.step) {
    std::vector<at::Tensor> row, kept;
    for (int64_t x = 0; x < input.size(3); x += tiles.step) {
      auto tile = function(input.slice(2, y, y + tiles.size).slice(3, x, x + tiles.size));
      if (!above.empty()) tile = blend(above[row.size()], tile, tiles.blend_extent, 2);
      if (!row.empty()) tile = blend(row.back(), tile, tiles.blend_extent, 3);
      kept.push_back(tile.slice(2, 0, tiles.kept).slice(3, 0, tiles.kept));
      row.push_back(std::move(tile));
    }
    result_rows.push_back(torch::cat(kept, 3));
    above = std::move(row);
  }
  return torch::cat(result_rows, 2);
}

}  // namespace xattn
