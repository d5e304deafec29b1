#include "xattn/models/clip/clip_text_embeddings.h"

#include <string>

#include "core/call.h"
#include "core/check.h"
#include "nn/embedding.h"

namespace xattn {
namespace {

constexpr auto kCLIPTextEmbeddings = "CLIPTextEmbeddings";
constexpr double kStandardDeviation = 0.02;  // as the original draws them

}  // namespace

CLIPTextEmbeddingsImpl::CLIPTextEmbeddingsImpl(const CLIPTextEmbeddingsOptions& options_)
    : options(options_) {
  reset();
}

void CLIPTextEmbeddingsImpl::reset() {
  check_at_least(kCLIPTextEmbeddings, "vocab_size", options.vocab_size(), 1);
  check_at_least(kCLIPTextEmbeddings, "hidden_size", options.hidden_size(), 1);
  check_at_least(kCLIPTextEmbeddings, "max_position_embeddings", options.max_position_embeddings(),
                 1);
  token_embedding = register_module(
      "token_embedding",
      make_embedding(options.vocab_size(), options.hidden_size(), kStandardDeviation));
  position_embedding = register_module(
      "position_embedding",
      make_embedding(options.max_position_embeddings(), options.hidden_size(), kStandardDeviation));
}

void CLIPTextEmbeddingsImpl::pretty_print(std::ostream& stream) const {
  stream << "xattn::CLIPTextEmbeddings(vocab_size=" << options.vocab_size()
         << ", hidden_size=" << options.hidden_size()
         << ", max_position_embeddings=" << options.max_position_embeddings() << ")";
}

torch::Tensor CLIPTextEmbeddingsImpl::forward(const torch::Tensor& input_ids,
                                              const std::optional<torch::Tensor>& position_ids) {
  const Call call(*this, kCLIPTextEmbeddings);
  check_shape(kCLIPTextEmbeddings, "input_ids", input_ids, {"B", "T"});
  const auto tokens = input_ids.size(1);
  if (tokens < 1 || tokens > options.max_position_embeddings()) {
    throw_value_error(kCLIPTextEmbeddings, "input_ids",
                      "1 to " + std::to_string(options.max_position_embeddings()) + " tokens",
                      std::to_string(tokens));
  }
  check_indices(kCLIPTextEmbeddings, "input_ids", input_ids, options.vocab_size(),
                token_embedding->weight);
  const auto embeddings = token_embedding(input_ids);
  if (!position_ids) return embeddings + position_embedding->weight.slice(0, 0, tokens);
  check_shape(kCLIPTextEmbeddings, "position_ids", *position_ids, {"B", tokens});
  if (position_ids->size(0) != 1 && position_ids->size(0) != input_ids.size(0)) {
    throw_value_error(kCLIPTextEmbeddings, "position_ids",
                      "a batch of 1 or " + std::to_string(input_ids.size(0)),
                      shape_text(position_ids->sizes()));
  }
  check_indices(kCLIPTextEmbeddings, "position_ids", *position_ids,
                options.max_position_embeddings(), position_embedding->weight);
  return embeddings + position_embedding(*position_ids);
}

}  // namespace xattn
