#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "xattn/core/export.h"
#include "xattn/core/tensor_versions.h"
#include "xattn/ops/attention_path.h"

namespace xattn {

namespace cpu {
struct PreparedBlocks;
}

/// The weights of a cross attention layer, as the `Linear` modules of any such layer hold them:
/// beside float32 on the CPU, matrices may be stored in float16 or bfloat16.
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
  /// The parameters that these weights are made of, by which a prepared text knows its layer; where
  /// empty, the weights themselves.
  std::vector<at::Tensor> parameters;
};

/// What depends on the text alone, made by `prepare_text` and used for any number of images.
///
/// It belongs to the layer that made it, with the weights that the layer had: other layers refuse
/// it, and so does its own after a change of the weights. A text of batch 1 serves any batch of
/// images.
struct XATTN_API PreparedText {
  CrossAttentionWeights weights;
  /// The layer's parameters, in the state that the text was prepared with.
  TensorVersions versions;
  /// `[B, H, T, I/H]`
  at::Tensor key, value;
  /// `[B, 1, 1, T]`, boolean or additive.
  std::optional<at::Tensor> mask;

  /// How the text is to be used.
  AttentionPath path = AttentionPath::kAuto;
  /// For `kBlocked` and `kFolded`: what they multiply with, packed for the processor.
  std::shared_ptr<const cpu::PreparedBlocks> blocks;

  /// The number of texts B.
  int64_t batch_size() const;

  /// The texts at these places of the batch, in this order; a place may be named more than once.
  ///
  /// Throws: `ValueError` for a place that the batch does not have.
  PreparedText select(const std::vector<int64_t>& texts) const;

  /// Each text `repeats` times, one after the other: for several images of a prompt.
  ///
  /// Throws: `ValueError` for less than 1.
  PreparedText repeat_interleave(int64_t repeats) const;

  /// The texts of all, one batch after the other: for the two halves of classifier-free guidance.
  ///
  /// Throws: `ValueError` where there is none, where layers, paths or numbers of tokens differ, or
  /// where some have a mask and others not.
  static PreparedText cat(const std::vector<PreparedText>& texts);
};

}  // namespace xattn
