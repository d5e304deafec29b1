#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "xattn/ops/attention_path.h"

namespace xattn {

namespace cpu {
struct PreparedBlocks;
}

/// The weights of a cross attention layer, as the `Linear` modules of any such layer hold them.
struct CrossAttentionWeights {
  /// `[I, C]`: from image features to queries.
  at::Tensor query_weight;
  /// `[I, S]`: from text features to keys and values.
  at::Tensor key_weight, value_weight;
  /// `[O, I]`: from the merged heads to the output.
  at::Tensor out_weight;
  /// `[I]` or, for out, `[O]`; undefined where the layer has none.
  at::Tensor query_bias, key_bias, value_bias, out_bias;
  int64_t num_heads = 1;
  /// What scores are divided by: √(I/H) in most models.
  double divisor = 1;
};

/// What depends on the text alone, made by `prepare_text` and used for any number of images.
///
/// It belongs to the weights that it was made with: prepare again after they change.
struct PreparedText {
  CrossAttentionWeights weights;
  /// `[B, H, T, I/H]`
  at::Tensor key, value;
  /// `[B, 1, 1, T]`, boolean or additive.
  std::optional<at::Tensor> mask;

  /// How the text is to be used.
  AttentionPath path = AttentionPath::kAuto;
  /// For `kBlocked` and `kFolded`: what they multiply with, packed for the processor.
  std::shared_ptr<const cpu::PreparedBlocks> blocks;
};

/// Whether `kBlocked` and `kFolded` can be used: float32 on the CPU, and no gradient asked for.
bool can_use_blocks(const CrossAttentionWeights& weights, const at::Tensor& features);

/// Prepares a text `[B, T, S]` with an optional mask `[B, 1, 1, T]`.
///
/// `kAuto` chooses the path for `image_tokens` or, where that is not known, for many. A path that
/// cannot be used for these tensors gives way to `kSdpa`.
PreparedText prepare_text(const CrossAttentionWeights& weights, const at::Tensor& text_features,
                          const std::optional<at::Tensor>& mask, AttentionPath path,
                          std::optional<int64_t> image_tokens = std::nullopt);

/// softmax(q kᵀ / divisor + mask) v through the output projection.
///
/// Shapes: image_features `[B, N, C]`, returns `[B, N, O]`, in memory channel by channel where the
/// image features are. Without gradient, memory beyond input and output is at most 16 MiB on the
/// CPU, whatever the path. A text prepared for `kBlocked` or `kFolded` is used by `kSdpa` where
/// those cannot be.
at::Tensor cross_attention(const at::Tensor& image_features, const PreparedText& text);

}  // namespace xattn
