#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "xattn/core/export.h"
#include "xattn/models/unet_2d_condition/prepared_texts.h"
#include "xattn/nn/attention.h"

namespace xattn {

/// The text that a model's cross attention layers read in one pass, as it is or prepared.
///
/// A value that the caller of a pass makes and hands from block to block; modules keep nothing of
/// it, so a block can be run again with it.
///
/// Masks are `[B, L]`, 1 or true for tokens that take part, or `[B, 1, L]`, added to the scores. A
/// mask of ones and zeros adds (1 − mask) · −10000, as Python's does.
class XATTN_API TextContext {
 public:
  /// No text: layers that have no width of their own for it read the hidden states.
  TextContext() = default;

  /// `encoder_hidden_states` is `[B, T, S]`. `attention_mask` is that of self attention: L is the
  /// number of image tokens.
  explicit TextContext(at::Tensor encoder_hidden_states,
                       const std::optional<at::Tensor>& encoder_attention_mask = std::nullopt,
                       const std::optional<at::Tensor>& attention_mask = std::nullopt);

  /// What `prepare_texts` made; it must live as long as this.
  explicit TextContext(const PreparedTexts* prepared,
                       const std::optional<at::Tensor>& attention_mask = std::nullopt);

  /// Whether the text is what `prepare_texts` made.
  bool is_prepared() const { return prepared_ != nullptr; }
  /// Undefined where there is no text, or a prepared one.
  const at::Tensor& encoder_hidden_states() const { return encoder_hidden_states_; }
  /// `[B, 1, L]`, added to the scores.
  const std::optional<at::Tensor>& encoder_attention_mask() const {
    return encoder_attention_mask_;
  }
  const std::optional<at::Tensor>& attention_mask() const { return attention_mask_; }

  /// The attention of a layer to the text, with a mask, or to what the layer prepared of it.
  at::Tensor attend(AttentionImpl& attention, const at::Tensor& hidden_states,
                    const std::optional<at::Tensor>& mask) const;

 private:
  at::Tensor encoder_hidden_states_;
  std::optional<at::Tensor> encoder_attention_mask_, attention_mask_;
  const PreparedTexts* prepared_ = nullptr;
};

}  // namespace xattn
