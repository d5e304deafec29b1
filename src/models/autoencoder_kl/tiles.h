#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

namespace xattn {

/// How an image is cut into tiles that overlap, and how what is made of them is put together.
struct Tiles {
  /// Height and width of a tile, and from one to the next, of the input.
  int64_t size, step;
  /// Of the output: how many rows and columns of a tile mix with the tile before, and how many are
  /// kept.
  int64_t blend_extent, kept;
};

/// Applies `function` to every tile of `input` `[B, C, H, W]` and blends the results into one
/// image.
at::Tensor map_tiles(const at::Tensor& input, const Tiles& tiles,
                     const std::function<at::Tensor(const at::Tensor&)>& function);

}  // namespace xattn
