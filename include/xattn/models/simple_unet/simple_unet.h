#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <ostream>

#include "xattn/core/export.h"
#include "xattn/nn/conv2d.h"
#include "xattn/nn/cross_attention.h"

namespace xattn {

/// How a latent `[B, C, h, w]` is read as the tokens `[B, h·w, C]` of cross attention, and back.
///
/// The two agree where the latent is 1×1, the only size at which the published reference runs.
enum class TokenLayout {
  /// `flatten(2).transpose(1, 2)`: token i is pixel i. What the model means.
  kSpatial,
  /// `view(B, -1, C)`: re-reads the memory, so that a token is not a pixel. The reference to the
  /// letter, for weights that were trained that way.
  kReinterpret,
};

/// Options of `SimpleUNet`.
struct SimpleUNetOptions {
  SimpleUNetOptions(int64_t embed_dim) : embed_dim_(embed_dim) {}  // NOLINT: as LibTorch's options

  /// Width E of the latent and of the text features; a multiple of `num_heads`.
  TORCH_ARG(int64_t, embed_dim);
  /// Number of attention heads; the reference has 8.
  TORCH_ARG(int64_t, num_heads) = 8;
  TORCH_ARG(TokenLayout, token_layout) = TokenLayout::kSpatial;
  /// How the attention is computed; see `CrossAttentionOptions`.
  TORCH_ARG(AttentionPath, path) = AttentionPath::kAuto;
};

/// Halves an image to a latent, lets it look at a text by cross attention, and doubles it back.
///
/// out = upsample(map(cross_attention(tokens(downsample(images)), text_features)))
///
/// Shapes: images `[B, 3, H, W]` with H, W ≥ 2, text_features `[B, T, E]` or, for one text for all
/// images, `[1, T, E]`; returns `[B, 3, 2⌊H/2⌋, 2⌊W/2⌋]`.
///
/// Dtype and device: any floating-point dtype and any device, the same for inputs and weights;
/// under autocast, any floating-point input.
///
/// Units: pixel values have no fixed range; the module is linear around the attention.
///
/// Throws: `ValueError` for options that `CrossAttention` refuses, for inputs of another shape,
/// dtype or device, and for a prepared text of another module (its own `cross_attention` included),
/// or prepared before its weights changed.
///
/// Reference: `SimpleUNet` in python/xattn_reference.py.
class XATTN_API SimpleUNetImpl : public torch::nn::Cloneable<SimpleUNetImpl> {
 public:
  explicit SimpleUNetImpl(int64_t embed_dim) : SimpleUNetImpl(SimpleUNetOptions(embed_dim)) {}
  explicit SimpleUNetImpl(const SimpleUNetOptions& options_);

  void reset() override;

  /// Pretty prints the `SimpleUNet` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  torch::Tensor forward(const torch::Tensor& images, const torch::Tensor& text_features);

  /// Computes what depends on the text alone; see `CrossAttentionImpl::prepare`.
  PreparedText prepare(const torch::Tensor& text_features,
                       const std::optional<torch::Tensor>& text_mask = std::nullopt);

  /// `forward` with a prepared text in place of the text; one text serves any number of images.
  torch::Tensor forward_prepared(const torch::Tensor& images, const PreparedText& text);

  /// The options with which this `Module` was constructed.
  SimpleUNetOptions options;

  Conv2d downsample = nullptr;
  torch::nn::ConvTranspose2d upsample = nullptr;
  CrossAttention cross_attention = nullptr;

 private:
  PreparedText prepare_for(const torch::Tensor& text_features,
                           const std::optional<torch::Tensor>& text_mask,
                           std::optional<int64_t> image_tokens);
  CrossAttentionWeights latent_weights() const;
  CrossAttentionWeights pixel_weights() const;
  torch::Tensor forward_any(const torch::Tensor& images, const PreparedText& text);
  torch::Tensor forward_latent(const torch::Tensor& images, const PreparedText& text);
  torch::Tensor forward_pixels(const torch::Tensor& images, const PreparedText& text);
  torch::Tensor tokens_of(const torch::Tensor& latent) const;
  torch::Tensor map_of(const torch::Tensor& tokens, int64_t height, int64_t width) const;
};

/// A `ModuleHolder` subclass for `SimpleUNetImpl`.
TORCH_MODULE(SimpleUNet);

}  // namespace xattn
