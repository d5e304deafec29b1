#pragma once

#include <cstdint>

#include "xattn/nn/linear.h"
#include "xattn/ops/prepared_text.h"

namespace xattn {

/// The four linear layers of an attention.
struct Projections {
  const LinearImpl &query, &key, &value, &out;

  /// Their weights, for the functions of `ops/`.
  CrossAttentionWeights weights(int64_t num_heads, double divisor) const;
};

}  // namespace xattn
