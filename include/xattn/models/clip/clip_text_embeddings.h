#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/modules/common.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <ostream>

#include "xattn/core/export.h"

namespace xattn {

/// Options of `CLIPTextEmbeddings`.
struct CLIPTextEmbeddingsOptions {
  CLIPTextEmbeddingsOptions(int64_t vocab_size, int64_t hidden_size)
      : vocab_size_(vocab_size), hidden_size_(hidden_size) {}

  TORCH_ARG(int64_t, vocab_size);
  TORCH_ARG(int64_t, hidden_size);
  /// The longest text, in tokens.
  TORCH_ARG(int64_t, max_position_embeddings) = 77;
};

/// The sum of what a token is and where it stands: token_embedding(input_ids) +
/// position_embedding(position_ids).
///
/// Shapes: input_ids `[B, T]` and position_ids, 0…T−1 where none are given, `[B, T]` or `[1, T]`;
/// returns `[B, T, hidden_size]`.
///
/// Dtype: ids are int64 or int32.
///
/// Throws: `ValueError` for sizes below 1, for a text of no tokens or of more than
/// max_position_embeddings, and for ids that the tables do not have.
///
/// Reference: transformers 5.23.0, models/clip/modeling_clip.py, `CLIPTextEmbeddings`.
class XATTN_API CLIPTextEmbeddingsImpl : public torch::nn::Cloneable<CLIPTextEmbeddingsImpl> {
 public:
  explicit CLIPTextEmbeddingsImpl(const CLIPTextEmbeddingsOptions& options_);

  void reset() override;

  /// Pretty prints the `CLIPTextEmbeddings` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  torch::Tensor forward(const torch::Tensor& input_ids,
                        const std::optional<torch::Tensor>& position_ids = std::nullopt);

  /// The options with which this `Module` was constructed.
  CLIPTextEmbeddingsOptions options;

  torch::nn::Embedding token_embedding = nullptr;
  torch::nn::Embedding position_embedding = nullptr;

 protected:
  FORWARD_HAS_DEFAULT_ARGS({1, torch::nn::AnyValue(std::optional<torch::Tensor>())})
};

/// A `ModuleHolder` subclass for `CLIPTextEmbeddingsImpl`.
TORCH_MODULE(CLIPTextEmbeddings);

}  // namespace xattn
