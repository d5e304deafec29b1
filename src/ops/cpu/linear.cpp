#include "ops/cpu/linear.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "ops/cpu/aligned_floats.h"
#include "ops/cpu/packed.h"

namespace xattn::cpu {
namespace {

/// Blocks of a product, each a size at most `largest` and a whole number of `unit`s.
int64_t balanced(int64_t size, int64_t largest, int64_t unit) {
  const auto blocks = std::max<int64_t>(1, divide_up(size, largest));
  return std::max(unit, divide_up(divide_up(size, blocks), unit) * unit);
}

/// out = x · weightᵀ + bias, with x `[R, S]` and weight `[O, S]`, both row by row.
///
/// Rows of x are read where they lie. The weight is packed block by block, and a block is used
/// while it is in the cache.
class Product {
 public:
  Product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
          const at::Tensor& out)
      : x_(matrix_of(x)),
        weight_(stored_matrix_of(weight.t())),
        bias_(bias.defined() ? bias.const_data_ptr<float>() : nullptr),
        out_(matrix_of(out)),
        inner_(x.size(1)),
        part_(balanced(inner_, std::min(kPart, kPanelFloats / kernel_.panel), 16)),
        columns_at_once_(balanced(weight.size(0), std::max(kPackedFloats / part_, kernel_.panel),
                                  kernel_.panel)) {}

  /// Floats that `compute` needs.
  int64_t scratch() const { return columns_at_once_ * part_; }

  /// A rectangle of the result.
  void compute(int64_t row, int64_t rows, int64_t column, int64_t columns, float* scratch) const {
    for (int64_t c = 0; c < columns; c += columns_at_once_) {
      const auto width = std::min(columns_at_once_, columns - c);
      for (int64_t k = 0; k < inner_; k += part_) {
        add(row, rows, column + c, width, k, std::min(part_, inner_ - k), scratch);
      }
    }
  }

 private:
  // A panel of a part stays in the first cache, with some rows of x; all packed panels, and the
  // rows at once, stay in the second one.
  static constexpr int64_t kPart = 384, kPanelFloats = 9 << 10;
  static constexpr int64_t kPackedFloats = 64 << 10;
  static constexpr int64_t kRowsAtOnce = 48;

  Matrix at(Matrix matrix, int64_t row, int64_t column) const {
    matrix.data += row * matrix.row_step + column;
    return matrix;
  }

  /// Sums begin with the bias.
  void start(int64_t row, int64_t rows, int64_t column, int64_t columns) const {
    for (int64_t r = row; r < row + rows; ++r) {
      float* to = at(out_, r, column).data;
      bias_ ? std::copy_n(bias_ + column, columns, to) : std::fill_n(to, columns, 0.0F);
    }
  }

  void add(int64_t row, int64_t rows, int64_t column, int64_t columns, int64_t k, int64_t part,
           float* scratch) const {
    const Panels packed = {scratch, part * kernel_.panel};
    kernel_.pack(part, columns, block_of(weight_, k, column), packed);
    for (int64_t r = 0; r < rows; r += kRowsAtOnce) {
      const auto count = std::min(kRowsAtOnce, rows - r);
      if (k == 0) start(row + r, count, column, columns);
      kernel_.multiply_rows(count, columns, part, at(x_, row + r, k), packed,
                            at(out_, row + r, column));
    }
  }

  const Kernels& kernel_ = kernels();
  Matrix x_;
  StoredMatrix weight_;
  const float* bias_;
  Matrix out_;
  int64_t inner_, part_, columns_at_once_;
};

/// The result's division among threads: so many times so many rectangles.
struct Grid {
  int64_t down, across;
};

Grid divide(int64_t rows, int64_t columns) {
  // Multiplications that take as long as to pack an element, and to read one.
  constexpr int64_t kPacking = 12, kReading = 2;
  const auto panels = divide_up(columns, kernels().panel), threads = int64_t{at::get_num_threads()};
  const auto cost = [&](Grid grid) {
    const auto height = divide_up(rows, grid.down),
               width = divide_up(panels, grid.across) * kernels().panel;
    return height * width + kPacking * width + kReading * height;
  };
  Grid best = {1, threads};
  for (int64_t down = 2; down <= std::min(threads, rows); ++down) {
    const Grid grid = {down, threads / down};
    if (cost(grid) < cost(best)) best = grid;
  }
  return {best.down, std::min(best.across, panels)};
}

}  // namespace

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  auto sizes = x.sizes().vec();
  sizes.back() = weight.size(0);
  auto out = at::empty(sizes, x.options());
  if (out.numel() == 0) return out;
  const auto input = x.reshape({-1, weight.size(1)}).contiguous(),
             output = out.view({-1, weight.size(0)});
  const auto weights = weight.contiguous(), biases = bias.defined() ? bias.contiguous() : bias;
  const Product product(input, weights, biases, output);

  const auto rows = output.size(0), columns = output.size(1);
  const auto grid = divide(rows, columns);
  const auto panel = kernels().panel;
  const auto height = divide_up(rows, grid.down),
             width = divide_up(divide_up(columns, panel), grid.across) * panel;
  at::parallel_for(0, grid.down * grid.across, 1, [&](int64_t begin, int64_t end) {
    const AlignedFloats scratch(product.scratch());
    for (auto i = begin; i < end; ++i) {
      const auto row = i / grid.across * height, column = i % grid.across * width;
      if (row >= rows || column >= columns) continue;
      product.compute(row, std::min(height, rows - row), column, std::min(width, columns - column),
                      scratch.data());
    }
  });
  return out;
}

}  // namespace xattn::cpu
