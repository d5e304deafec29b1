#include "xattn/ops/attention.h"

#include <ATen/ops/_safe_softmax.h>
#include <ATen/ops/add.h>
#include <ATen/ops/div.h>
#include <ATen/ops/logical_not.h>
#include <ATen/ops/masked_fill.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>

#include <limits>

namespace xattn {

at::Tensor attention_weights(const at::Tensor& query, const at::Tensor& key, double divisor,
                             const std::optional<at::Tensor>& mask) {
  const auto scores = at::matmul(query, key.transpose(-2, -1)).div(divisor);
  if (!mask) return at::softmax(scores, -1);
  const auto masked =
      mask->scalar_type() == at::kBool
          ? scores.masked_fill(mask->logical_not(), -std::numeric_limits<double>::infinity())
          : scores + *mask;
  return at::_safe_softmax(masked, -1);
}

}  // namespace xattn
