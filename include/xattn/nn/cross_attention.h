#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <ostream>

#include "xattn/core/export.h"
#include "xattn/nn/linear.h"
#include "xattn/ops/cross_attention.h"

namespace xattn {

/// Options of `CrossAttention`.
struct CrossAttentionOptions {
  CrossAttentionOptions(int64_t embed_dim)
      : embed_dim_(embed_dim) {}  // NOLINT: as LibTorch's options

  /// Width E of the image and the text features; a multiple of `num_heads`.
  TORCH_ARG(int64_t, embed_dim);
  /// Number of heads H.
  TORCH_ARG(int64_t, num_heads) = 8;
  /// How the attention is computed; the numbers are the same but for rounding.
  TORCH_ARG(AttentionPath, path) = AttentionPath::kAuto;
};

/// Lets every image token look at every text token: queries from the image, keys and values from
/// the text.
///
/// out = softmax(q kᵀ / √embed_dim) v, per head, heads merged, through `out_proj`;
/// q = query_proj(image), k = key_proj(text), v = value_proj(text).
/// The divisor is the root of the whole width, not of the head's: the reference's quirk, which
/// weights trained with it need.
///
/// Shapes: image_features `[B, N, E]`, text_features `[B, T, E]` or, for one text for all images,
/// `[1, T, E]`; returns `[B, N, E]`. B, N and T may be 0; where no text token takes part, the
/// output is `out_proj`'s bias.
///
/// Dtype and device: any floating-point dtype and any device, the same for inputs and weights;
/// under autocast, any floating-point input.
///
/// Throws: `ValueError` for embed_dim or num_heads below 1 or not divisible, for inputs of another
/// shape, dtype or device, and for a prepared text of another module, or prepared before its
/// weights changed.
///
/// Reference: `CrossAttention` in python/xattn_reference.py.
class XATTN_API CrossAttentionImpl : public torch::nn::Cloneable<CrossAttentionImpl> {
 public:
  explicit CrossAttentionImpl(int64_t embed_dim)
      : CrossAttentionImpl(CrossAttentionOptions(embed_dim)) {}
  explicit CrossAttentionImpl(const CrossAttentionOptions& options_);

  void reset() override;

  /// Pretty prints the `CrossAttention` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  torch::Tensor forward(const torch::Tensor& image_features, const torch::Tensor& text_features);

  /// Computes what depends on the text alone. `text_mask` `[B, T]` is boolean (true: the token
  /// takes part) or of the weights' dtype (added to the scores).
  PreparedText prepare(const torch::Tensor& text_features,
                       const std::optional<torch::Tensor>& text_mask = std::nullopt);

  /// `forward` with a prepared text in place of the text; one text serves any number of images.
  torch::Tensor forward_prepared(const torch::Tensor& image_features, const PreparedText& text);

  /// The attention weights `[B, H, N, T]` behind `forward_prepared`'s output.
  torch::Tensor attention_weights(const torch::Tensor& image_features, const PreparedText& text);

  /// The options with which this `Module` was constructed.
  CrossAttentionOptions options;

  Linear query_proj = nullptr;
  Linear key_proj = nullptr;
  Linear value_proj = nullptr;
  Linear out_proj = nullptr;

  /// The projections' weights, for the functions of `ops/cross_attention.h`.
  CrossAttentionWeights weights() const;

 private:
  PreparedText prepare_for(const torch::Tensor& text_features,
                           const std::optional<torch::Tensor>& text_mask,
                           std::optional<int64_t> image_tokens);
  void check_image(const torch::Tensor& image_features, const PreparedText& text) const;
};

/// A `ModuleHolder` subclass for `CrossAttentionImpl`.
TORCH_MODULE(CrossAttention);

}  // namespace xattn
