#pragma once

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

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

/// The factors of x · weightᵀ + bias, x `[R, S]` and weight `[O, S]`, both row by row.
///
/// Rows of x are read where they lie. The weight is packed, part by part of S: a panel of a part
/// stays in the first cache, with some rows of x.
class RowFactors {
 public:
  RowFactors(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias)
      : inner_(x.size(1)),
        part_(balanced(inner_, std::min(kPart, kPanelFloats / kernel_.panel), 16)),
        x_(matrix_of(x)),
        weight_(stored_matrix_of(weight.t())),
        bias_(bias.defined() ? bias.const_data_ptr<float>() : nullptr) {}

 protected:
  static constexpr int64_t kRowsAtOnce = 48;

  /// Packs some of the weight's columns, from `k` of S on.
  void pack(int64_t k, int64_t part, int64_t column, int64_t columns, Panels packed) const {
    kernel_.pack(part, columns, block_of(weight_, k, column), packed);
  }

  /// Sums begin with the bias.
  void start(int64_t rows, int64_t column, int64_t columns, Matrix out) const {
    for (int64_t r = 0; r < rows; ++r) {
      float* const to = out.data + r * out.row_step;
      bias_ ? std::copy_n(bias_ + column, columns, to) : std::fill_n(to, columns, 0.0F);
    }
  }

  /// Adds what a part of S gives.
  void add(int64_t row, int64_t rows, int64_t k, int64_t part, int64_t columns, Panels packed,
           Matrix out) const {
    kernel_.multiply_rows(rows, columns, part, {x_.data + row * x_.row_step + k, x_.row_step},
                          packed, out, {.adds = true});
  }

  const Kernels& kernel_ = kernels();
  int64_t inner_, part_;

 private:
  static constexpr int64_t kPart = 384, kPanelFloats = 9 << 10;

  Matrix x_;
  StoredMatrix weight_;
  const float* bias_;
};

/// `[..., width]` of x `[..., S]` by a `Product` of rows, on all threads.
template <typename Product>
at::Tensor compute_rows(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                        int64_t width) {
  auto sizes = x.sizes().vec();
  sizes.back() = width;
  auto out = at::empty(sizes, x.options());
  if (out.numel() == 0) return out;
  const auto input = x.reshape({-1, weight.size(1)}).contiguous(), output = out.view({-1, width});
  const auto weights = weight.contiguous(), biases = bias.defined() ? bias.contiguous() : bias;
  const Product product(input, weights, biases, output);
  for_each_rectangle(output.size(0), width, product.scratch(),
                     [&](Rectangle part, float* scratch) { product.compute(part, scratch); });
  return out;
}

}  // namespace xattn::cpu
