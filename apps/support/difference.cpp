#include "difference.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/where.h>

#include <limits>

#include "core/check.h"

namespace xattn {

Difference difference(const at::Tensor& actual, const at::Tensor& expected) {
  if (actual.sizes() != expected.sizes()) {
    throw_value_error("difference", "actual", shape_text(expected.sizes()),
                      shape_text(actual.sizes()));
  }
  if (expected.numel() == 0) return {};
  const auto a = actual.detach().to(at::kCPU, at::kDouble).flatten();
  const auto e = expected.detach().to(at::kCPU, at::kDouble).flatten();
  // inf - inf and NaN - NaN are no difference; anything else that is not finite is an infinite one.
  const auto same = a.eq(e).logical_or(a.isnan().logical_and(e.isnan()));
  const auto delta =
      at::where(same, 0.0, (a - e).abs().nan_to_num(std::numeric_limits<double>::infinity()));
  const auto finite = at::where(e.isfinite(), e.abs(), 0.0);
  const auto index = delta.argmax().item<int64_t>();
  return {delta[index].item<double>(), finite.max().item<double>(), index};
}

}  // namespace xattn
