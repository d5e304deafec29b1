#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>

#include "ops/cpu/aligned_floats.h"
#include "ops/cpu/packed.h"

namespace xattn::cpu {

/// Blocks of a product, each a size at most `largest` and a whole number of `unit`s.
inline int64_t balanced(int64_t size, int64_t largest, int64_t unit) {
  const auto blocks = std::max<int64_t>(1, divide_up(size, largest));
  return std::max(unit, divide_up(divide_up(size, blocks), unit) * unit);
}

/// A part of a result.
struct Rectangle {
  int64_t row, rows, column, columns;
};

/// The division of a product's result among threads: so many times so many rectangles, those that
/// cost least to pack and to read.
struct Grid {
  static Grid of(int64_t rows, int64_t columns) {
    // Multiplications that take as long as to pack an element, and to read one.
    constexpr int64_t kPacking = 12, kReading = 2;
    const auto panel = kernels().panel, panels = divide_up(columns, panel),
               threads = int64_t{at::get_num_threads()};
    const auto cost = [&](Grid grid) {
      const auto height = divide_up(rows, grid.down),
                 width = divide_up(panels, grid.across) * panel;
      return height * width + kPacking * width + kReading * height;
    };
    Grid best = {1, threads};
    for (int64_t down = 2; down <= std::min(threads, rows); ++down) {
      const Grid grid = {down, threads / down};
      if (cost(grid) < cost(best)) best = grid;
    }
    return {best.down, std::min(best.across, panels)};
  }

  int64_t down, across;
};

/// Calls work(rectangle, scratch) for all of a result `[rows, columns]`, on all threads, of which
/// each has that many floats of scratch.
template <typename Work>
void for_each_rectangle(int64_t rows, int64_t columns, int64_t scratch_floats, const Work& work) {
  const auto grid = Grid::of(rows, columns);
  const auto panel = kernels().panel;
  const auto height = divide_up(rows, grid.down),
             width = divide_up(divide_up(columns, panel), grid.across) * panel;
  at::parallel_for(0, grid.down * grid.across, 1, [&](int64_t begin, int64_t end) {
    const AlignedFloats scratch(scratch_floats);
    for (auto i = begin; i < end; ++i) {
      const auto row = i / grid.across * height, column = i % grid.across * width;
      if (row >= rows || column >= columns) continue;
      work(Rectangle{row, std::min(height, rows - row), column, std::min(width, columns - column)},
           scratch.data());
    }
  });
}

}  // namespace xattn::cpu
