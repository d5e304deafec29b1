#include "ops/cpu/linear.h"

#include "ops/cpu/row_product.h"

namespace xattn::cpu {
namespace {

/// A block of the weight is packed and used while it is in the second cache, with some rows of the
/// result.
class LinearProduct : RowFactors {
 public:
  LinearProduct(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                const at::Tensor& out)
      : RowFactors(x, weight, bias),
        out_(matrix_of(out)),
        columns_at_once_(balanced(weight.size(0), std::max(kPackedFloats / part_, kernel_.panel),
                                  kernel_.panel)) {}

  /// Floats that `compute` needs.
  int64_t scratch() const { return columns_at_once_ * part_; }

  void compute(Rectangle of, float* scratch) const {
    for (int64_t c = 0; c < of.columns; c += columns_at_once_) {
      const auto width = std::min(columns_at_once_, of.columns - c);
      for (int64_t k = 0; k < inner_; k += part_) {
        const auto part = std::min(part_, inner_ - k);
        const Panels packed = {scratch, part * kernel_.panel};
        pack(k, part, of.column + c, width, packed);
        add_part({of.row, of.rows, of.column + c, width}, k, part, packed);
      }
    }
  }

 private:
  static constexpr int64_t kPackedFloats = 64 << 10;

  void add_part(Rectangle of, int64_t k, int64_t part, Panels packed) const {
    for (int64_t r = of.row; r < of.row + of.rows; r += kRowsAtOnce) {
      const auto rows = std::min(kRowsAtOnce, of.row + of.rows - r);
      const Matrix out = {out_.data + r * out_.row_step + of.column, out_.row_step};
      if (k == 0) start(rows, of.column, of.columns, out);
      add(r, rows, k, part, of.columns, packed, out);
    }
  }

  Matrix out_;
  int64_t columns_at_once_;
};

}  // namespace

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return compute_rows<LinearProduct>(x, weight, bias, weight.size(0));
}

}  // namespace xattn::cpu
