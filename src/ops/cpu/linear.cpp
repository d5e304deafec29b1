#include "ops/cpu/linear.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "ops/cpu/packed.h"

namespace xattn::cpu {

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const auto& kernel = kernels();
  const auto width = weight.size(1), out_width = weight.size(0);
  const auto rows = x.reshape({-1, width}).contiguous();
  const auto count = rows.size(0);
  auto sizes = x.sizes().vec();
  sizes.back() = out_width;
  auto out = at::empty(sizes, x.options());
  if (count == 0 || out_width == 0) return out;

  // The bias is the weight of an input that is always 1.
  const auto inner = width + (bias.defined() ? 1 : 0);
  const auto weights = weight.contiguous(), biases = bias.defined() ? bias.contiguous() : bias;
  const auto packed_rows = empty_packed(1, inner, count);
  const auto inputs = packed_at(packed_rows, 0);
  const auto panel = kernel.panel;
  at::parallel_for(0, packed_rows.size(1), 1, [&](int64_t begin, int64_t end) {
    for (auto i = begin; i < end; ++i) {
      float* data = inputs.data + i * inputs.step;
      kernel.pack(width, std::min(panel, count - i * panel), {rows.data_ptr<float>() + i * panel * width, 1, width},
                  {data, 0});
      if (bias.defined()) std::fill_n(data + width * panel, panel, 1.0F);
    }
  });
  at::parallel_for(0, (out_width + panel - 1) / panel, 1, [&](int64_t begin, int64_t end) {
    const auto packed_weight = empty_packed(1, inner, panel);
    const auto columns = packed_at(packed_weight, 0);
    for (auto i = begin; i < end; ++i) {
      const auto start = i * panel, size = std::min(panel, out_width - start);
      kernel.pack(width, size, {weights.data_ptr<float>() + start * width, 1, width}, columns);
      if (bias.defined()) std::copy_n(biases.data_ptr<float>() + start, size, columns.data + width * panel);
      kernel.multiply(count, size, inner, inputs, columns, {out.data_ptr<float>() + start, out_width});
    }
  });
  return out;
}

}  // namespace xattn::cpu
