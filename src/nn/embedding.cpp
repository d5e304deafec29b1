#include "nn/embedding.h"

#include <torch/nn/init.h>
#include <torch/utils.h>

#include "xattn/nn/initialization.h"

namespace xattn {

torch::nn::Embedding make_embedding(int64_t num_embeddings, int64_t embedding_dim,
                                    double standard_deviation) {
  // Given a weight, the module draws none; left in the options, a clone of the module would share
  // it.
  torch::nn::Embedding embedding(torch::nn::EmbeddingOptions(num_embeddings, embedding_dim)
                                     ._weight(torch::empty({num_embeddings, embedding_dim})));
  embedding->options._weight(torch::Tensor());
  if (!SkipInitialization::is_active())
    torch::nn::init::normal_(embedding->weight, 0, standard_deviation);
  return embedding;
}

}  // namespace xattn
