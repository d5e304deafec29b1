#pragma once

#include <ATen/core/Tensor.h>

namespace xattn::cpu {

/// softmax(query keyᵀ / divisor) value, block by block of keys: scores are never all there.
///
/// query `[B, H, N, D]`, key and value `[B, H, T, D]`, float32 on the CPU, nothing empty. The
/// result
/// `[B, H, N, D]` lies token by token in memory, `[B, N, H, D]`, as the arguments best do too. Each
/// thread works in at most 2 MiB for heads up to 512 wide.
at::Tensor self_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                          double divisor);

}  // namespace xattn::cpu
