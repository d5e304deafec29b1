#pragma once

#include <torch/nn/modules/embedding.h>

#include <cstdint>

namespace xattn {

/// `torch::nn::Embedding`, drawn with this standard deviation, or not at all under
/// `SkipInitialization`.
torch::nn::Embedding make_embedding(int64_t num_embeddings, int64_t embedding_dim,
                                    double standard_deviation);

}  // namespace xattn
