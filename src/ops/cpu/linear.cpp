#include "ops/cpu/linear.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "ops/cpu/packed.h"

namespace xattn::cpu {
namespace {

/// x `[R, S]` and weight `[O, S]`, both packed by columns of their transposes; the bias is the
/// weight of an input that is always 1.
struct Product {
  Product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
          const at::Tensor& out)
      : rows(x.data_ptr<float>()),
        weights(weight.data_ptr<float>()),
        biases(bias.defined() ? bias.data_ptr<float>() : nullptr),
        out(out.data_ptr<float>()),
        count(x.size(0)),
        width(x.size(1)),
        out_width(weight.size(0)),
        inner(width + (biases ? 1 : 0)) {}

  /// Rows of x from a panel's first.
  void pack_rows(int64_t start, int64_t size, Panels to) const {
    const auto panel = kernels().panel;
    kernels().pack(width, size, {rows + start * width, 1, width}, to);
    if (!biases) return;
    for (int64_t i = 0; i < size; i += panel, to.data += to.step)
      std::fill_n(to.data + width * panel, panel, 1.0F);
  }

  /// Rows of the weight, of one panel.
  void pack_weights(int64_t start, float* to) const {
    const auto panel = kernels().panel, size = std::min(panel, out_width - start);
    kernels().pack(width, size, {weights + start * width, 1, width}, {to, 0});
    if (biases) std::copy_n(biases + start, size, to + width * panel);
  }

  float *rows, *weights, *biases, *out;
  int64_t count, width, out_width, inner;
};

/// For few rows: all of them are packed, then threads share the weight.
void share_weights(const Product& p) {
  const auto& kernel = kernels();
  const auto packed_rows = empty_packed(1, p.inner, p.count);
  const auto inputs = packed_at(packed_rows, 0);
  p.pack_rows(0, p.count, inputs);
  at::parallel_for(0, (p.out_width + kernel.panel - 1) / kernel.panel, 1,
                   [&](int64_t begin, int64_t end) {
                     const auto packed = empty_packed(1, p.inner, kernel.panel);
                     const auto columns = packed_at(packed, 0);
                     for (auto i = begin; i < end; ++i) {
                       const auto start = i * kernel.panel;
                       p.pack_weights(start, columns.data);
                       kernel.multiply(p.count, std::min(kernel.panel, p.out_width - start),
                                       p.inner, inputs, columns, {p.out + start, p.out_width});
                     }
                   });
}

/// For many rows: the weight is packed, then threads share the rows.
void share_rows(const Product& p, int64_t rows_at_once) {
  const auto& kernel = kernels();
  const auto packed_weight = empty_packed(1, p.inner, p.out_width);
  const auto columns = packed_at(packed_weight, 0);
  at::parallel_for(0, packed_weight.size(1), 1, [&](int64_t begin, int64_t end) {
    for (auto i = begin; i < end; ++i)
      p.pack_weights(i * kernel.panel, columns.data + i * columns.step);
  });
  const auto blocks = (p.count + rows_at_once - 1) / rows_at_once;
  at::parallel_for(0, blocks, 1, [&](int64_t begin, int64_t end) {
    const auto packed = empty_packed(1, p.inner, rows_at_once);
    const auto inputs = packed_at(packed, 0);
    for (auto i = begin; i < end; ++i) {
      const auto start = i * rows_at_once, size = std::min(rows_at_once, p.count - start);
      p.pack_rows(start, size, inputs);
      kernel.multiply(size, p.out_width, p.inner, inputs, columns,
                      {p.out + start * p.out_width, p.out_width});
    }
  });
}

}  // namespace

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  auto sizes = x.sizes().vec();
  sizes.back() = weight.size(0);
  auto out = at::empty(sizes, x.options());
  if (out.numel() == 0) return out;
  const auto rows = x.reshape({-1, weight.size(1)}).contiguous();
  const auto weights = weight.contiguous(), biases = bias.defined() ? bias.contiguous() : bias;
  const Product product(rows, weights, biases, out);

  // A block of packed rows stays in the second-level cache.
  constexpr int64_t kFloats = int64_t{1} << 17;
  const auto panel = kernels().panel;
  const auto rows_at_once = std::clamp<int64_t>(kFloats / product.inner / panel, 1, 8) * panel;
  if (product.count < 2 * rows_at_once * at::get_num_threads()) {
    share_weights(product);
  } else {
    share_rows(product, rows_at_once);
  }
  return out;
}

}  // namespace xattn::cpu
