#include "nn/projections.h"

namespace xattn {

CrossAttentionWeights Projections::weights(int64_t num_heads, double divisor) const {
  CrossAttentionWeights weights;
  weights.query_weight = query.effective_weight();
  weights.query_bias = query.bias;
  weights.key_weight = key.effective_weight();
  weights.key_bias = key.bias;
  weights.value_weight = value.effective_weight();
  weights.value_bias = value.bias;
  weights.out_weight = out.effective_weight();
  weights.out_bias = out.bias;
  weights.num_heads = num_heads;
  weights.divisor = divisor;
  for (const auto* layer : {&query, &key, &value, &out}) {
    for (const auto& parameter : layer->parameters()) weights.parameters.push_back(parameter);
  }
  return weights;
}

}  // namespace xattn
