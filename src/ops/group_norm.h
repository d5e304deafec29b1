#pragma once

#include <ATen/core/Tensor.h>

#include "xattn/ops/group_norm.h"

namespace xattn {

/// Whether our kernels can compute `group_norm` of these.
bool group_norm_can_take(const at::Tensor& x, const GroupNormArguments& arguments);

}  // namespace xattn
