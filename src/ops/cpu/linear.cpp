#include "ops/cpu/linear.h"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "ops/cpu/packed.h"
#include "ops/cpu/rectangles.h"

namespace xattn::cpu {
namespace {

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

  void compute(Rectangle of, float* scratch) const {
    for (int64_t c = 0; c < of.columns; c += columns_at_once_) {
      const auto width = std::min(columns_at_once_, of.columns - c);
      for (int64_t k = 0; k < inner_; k += part_) {
        add(of.row, of.rows, of.column + c, width, k, std::min(part_, inner_ - k), scratch);
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

  for_each_rectangle(output.size(0), output.size(1), product.scratch(),
                     [&](Rectangle part, float* scratch) { product.compute(part, scratch); });
  return out;
}

}  // namespace xattn::cpu
