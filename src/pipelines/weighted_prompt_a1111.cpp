#include <ATen/TensorOperators.h>
#include <ATen/ops/where.h>

#include "pipelines/token_rows.h"

namespace xattn {

EncodedText encode_a1111_prompt(const CLIPTokenizer& tokenizer, const EncodeIds& encode,
                                const std::string& prompt) {
  const auto rows = a1111_rows(tokenizer, parse_a1111_prompt(prompt));
  const auto encoded = encode_rows(encode, ids_of_rows(rows));
  const auto states = widened(encoded.hidden_states);
  const auto weights = weights_of_rows(rows, states);
  const auto weighted = states * weights;
  const auto restored =
      weighted * (states.mean({1, 2}, /*keepdim=*/true) / weighted.mean({1, 2}, /*keepdim=*/true));
  // A row without weights is left as it is, also where its mean is zero.
  const auto is_plain = weights.eq(1).all(1, /*keepdim=*/true);
  EncodedText result;
  result.hidden_states = at::where(is_plain, states, restored)
                             .to(encoded.hidden_states.scalar_type())
                             .reshape({1, -1, states.size(2)});
  // The original gives the other encoders of a model the first chunk's.
  if (encoded.pooled.defined()) result.pooled = encoded.pooled.narrow(0, 0, 1);
  return result;
}

}  // namespace xattn
