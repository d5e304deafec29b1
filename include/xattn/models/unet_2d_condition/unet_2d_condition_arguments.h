#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

namespace xattn {

/// What `UNet2DConditionModel::forward` takes beside the latent, the timestep and the text.
struct UNet2DConditionArguments {
  /// `[B]`, or `[B, projection_class_embeddings_input_dim]` where these are projected, or
  /// `[B, time_embed_dim]` with class_embed_type "identity".
  std::optional<at::Tensor> class_labels;
  /// `[B, time_cond_proj_dim]`: the guidance scale's embedding of distilled models (LCM).
  std::optional<at::Tensor> timestep_cond;
  /// `[B, N]`, 1 or true for image tokens that take part in self attention: as many as every level
  /// has.
  std::optional<at::Tensor> attention_mask;
  /// `[B, T]`, 1 or true for text tokens that take part.
  std::optional<at::Tensor> encoder_attention_mask;
  /// `[B, P]` and `[B, K]`, with addition_embed_type "text_time": the pooled text, and the sizes
  /// and crop.
  std::optional<at::Tensor> text_embeds, time_ids;
  /// ControlNet's: one for each residual of the way down, and one for the middle.
  std::vector<at::Tensor> down_block_additional_residuals;
  std::optional<at::Tensor> mid_block_additional_residual;
  /// T2I-Adapter's: one for each block on the way down, and perhaps one for the middle.
  std::vector<at::Tensor> down_intrablock_additional_residuals;
};

}  // namespace xattn
