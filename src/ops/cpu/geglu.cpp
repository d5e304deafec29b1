#include "ops/cpu/geglu.h"

#include "ops/cpu/row_product.h"

namespace xattn::cpu {
namespace {

/// hidden · gelu(gates), with (hidden, gates) = x · weightᵀ + bias.
///
/// Some columns of both halves of the weight are packed, in the second cache; then some rows of
/// hidden and gates at a time are computed and used while they are in the first one.
class GatedProduct : RowFactors {
 public:
  GatedProduct(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
               const at::Tensor& out)
      : RowFactors(x, weight, bias),
        out_(matrix_of(out)),
        width_(out.size(1)),
        columns_at_once_(balanced(width_, std::max(kPackedFloats / (2 * inner_), kernel_.panel),
                                  kernel_.panel)) {}

  /// Floats that `compute` needs.
  int64_t scratch() const { return 2 * columns_at_once_ * (inner_ + kRowsAtOnce); }

  void compute(Rectangle of, float* scratch) const {
    const Panels hidden = {scratch, inner_ * kernel_.panel},
                 gates = {hidden.data + columns_at_once_ * inner_, hidden.step};
    float* const products = gates.data + columns_at_once_ * inner_;
    for (int64_t c = 0; c < of.columns; c += columns_at_once_) {
      const auto column = of.column + c, columns = std::min(columns_at_once_, of.columns - c);
      pack(0, inner_, column, columns, hidden);
      pack(0, inner_, width_ + column, columns, gates);
      for (int64_t r = 0; r < of.rows; r += kRowsAtOnce) {
        const auto row = of.row + r, rows = std::min(kRowsAtOnce, of.rows - r);
        const Matrix h = {products, columns}, g = {products + kRowsAtOnce * columns, columns};
        multiply(row, rows, column, columns, hidden, h);
        multiply(row, rows, width_ + column, columns, gates, g);
        kernel_.gate(rows, columns, h, g,
                     {out_.data + row * out_.row_step + column, out_.row_step});
      }
    }
  }

 private:
  static constexpr int64_t kPackedFloats = 128 << 10;

  void multiply(int64_t row, int64_t rows, int64_t column, int64_t columns, Panels packed,
                Matrix out) const {
    start(rows, column, columns, out);
    for (int64_t k = 0; k < inner_; k += part_) {
      add(row, rows, k, std::min(part_, inner_ - k), columns, from_row(packed, k), out);
    }
  }

  Matrix out_;
  int64_t width_, columns_at_once_;
};

}  // namespace

at::Tensor geglu(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return compute_rows<GatedProduct>(x, weight, bias, weight.size(0) / 2);
}

}  // namespace xattn::cpu
