#include "ops/cpu/geglu.h"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "ops/cpu/packed.h"
#include "ops/cpu/rectangles.h"

namespace xattn::cpu {
namespace {

/// hidden · gelu(gates), with (hidden, gates) = x · weightᵀ + bias, x `[R, S]` and weight `[2 O,
/// S]`, both row by row.
///
/// Some columns of both halves of the weight are packed; then some rows of hidden and gates at a
/// time are computed and used while they are in the first cache.
class GatedProduct {
 public:
  GatedProduct(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
               const at::Tensor& out)
      : x_(matrix_of(x)),
        weight_(stored_matrix_of(weight.t())),
        bias_(bias.defined() ? bias.const_data_ptr<float>() : nullptr),
        out_(matrix_of(out)),
        inner_(x.size(1)),
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
      kernel_.pack(inner_, columns, block_of(weight_, 0, column), hidden);
      kernel_.pack(inner_, columns, block_of(weight_, 0, width_ + column), gates);
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
  // The packed panels stay in the second cache, a panel's part with some rows of x in the first.
  static constexpr int64_t kPackedFloats = 128 << 10, kPanelFloats = 9 << 10, kPart = 384;
  static constexpr int64_t kRowsAtOnce = 48;

  void multiply(int64_t row, int64_t rows, int64_t column, int64_t columns, Panels packed,
                Matrix out) const {
    for (int64_t r = 0; r < rows; ++r) {
      float* const to = out.data + r * out.row_step;
      bias_ ? std::copy_n(bias_ + column, columns, to) : std::fill_n(to, columns, 0.0F);
    }
    const auto part = balanced(inner_, std::min(kPart, kPanelFloats / kernel_.panel), 16);
    for (int64_t k = 0; k < inner_; k += part) {
      kernel_.multiply_rows(rows, columns, std::min(part, inner_ - k),
                            {x_.data + row * x_.row_step + k, x_.row_step}, from_row(packed, k),
                            out);
    }
  }

  const Kernels& kernel_ = kernels();
  Matrix x_;
  StoredMatrix weight_;
  const float* bias_;
  Matrix out_;
  int64_t inner_, width_, columns_at_once_;
};

}  // namespace

at::Tensor geglu(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  auto sizes = x.sizes().vec();
  sizes.back() = weight.size(0) / 2;
  auto out = at::empty(sizes, x.options());
  if (out.numel() == 0) return out;
  const auto input = x.reshape({-1, weight.size(1)}).contiguous(),
             output = out.view({-1, sizes.back()});
  const auto weights = weight.contiguous(), biases = bias.defined() ? bias.contiguous() : bias;
  const GatedProduct product(input, weights, biases, output);
  for_each_rectangle(output.size(0), output.size(1), product.scratch(),
                     [&](Rectangle part, float* scratch) { product.compute(part, scratch); });
  return out;
}

}  // namespace xattn::cpu
