#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "xattn/core/export.h"
#include "xattn/ops/prepared_text.h"

namespace torch::nn {
class Module;
}

namespace xattn {

class TextContext;

/// What every cross attention layer of a model made of a text, by the layer's name; for any number
/// of passes.
///
/// It holds each layer's keys and values and, where the processor's kernels are used, the layer's
/// query and output projections packed for them, with short texts folded into these. For a text of
/// 77 tokens that is 65 MiB of Stable Diffusion 1.5 (2 % of its weights; 55 MiB more for each
/// further text of a batch) and 0.9 GiB of XL (9 %; 90 MiB more); with `AttentionPath::kSdpa`,
/// which has keys and values only, 8 MiB and 50 MiB for each text.
///
/// It belongs to the model that made it, as `PreparedText` does to its layer.
class XATTN_API PreparedTexts {
 public:
  /// By name: "down_blocks.0.attentions.0.transformer_blocks.0.attn2".
  using Layers = std::map<std::string, PreparedText>;

  PreparedTexts() = default;
  explicit PreparedTexts(Layers layers);

  const Layers& layers() const { return layers_; }

  /// The text of a layer.
  ///
  /// Throws: `ValueError` for a name that no layer has.
  const PreparedText& at(const std::string& name) const;

  /// What the layer prepared whose `to_q.weight` this is; null where none is.
  const PreparedText* find(const at::Tensor& query_weight) const;

  /// The number of texts; 0 where no layer reads a text.
  int64_t batch_size() const;

  /// The texts at these places of the batch, in this order; see `PreparedText`.
  PreparedTexts select(const std::vector<int64_t>& texts) const;
  /// Each text `repeats` times, one after the other.
  PreparedTexts repeat_interleave(int64_t repeats) const;
  /// The texts of all, one batch after the other: guidance takes {unconditional, conditional}.
  static PreparedTexts cat(const std::vector<PreparedTexts>& texts);

 private:
  Layers layers_;
  /// The layers by the address of their `to_q.weight`, which `layers_` keep.
  std::unordered_map<const void*, std::string> name_of_;
};

/// Lets every cross attention layer in a module, which may be a model or a block, prepare a text.
XATTN_API PreparedTexts prepare_texts(const torch::nn::Module& module, const TextContext& text,
                                      AttentionPath path = AttentionPath::kAuto);

}  // namespace xattn
