#pragma once

#include <ATen/core/Tensor.h>

#include "ops/cpu/prepared_blocks.h"

namespace xattn::cpu {

/// Attention by blocks of image tokens, in parallel. The output has the layout of the input: token
/// by token, or channel by channel where the image features are a transposed `[B, C, N]`.
at::Tensor blocked_attention(const at::Tensor& image_features, const PreparedBlocks& text);

}  // namespace xattn::cpu
