#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/modules/common.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "xattn/core/export.h"
#include "xattn/core/key_target.h"
#include "xattn/models/clip/clip_text_config.h"
#include "xattn/models/clip/clip_text_transformer.h"
#include "xattn/nn/linear.h"

namespace xattn {

/// The text encoder of Stable Diffusion 1 and 2: `CLIPTextTransformer` under the name `text_model`,
/// which the keys of checkpoints on the hub begin with.
///
/// Shapes, dtypes and errors: those of `CLIPTextTransformer`.
///
/// Reference: transformers 5.23.0, models/clip/modeling_clip.py, `CLIPTextModel`, whose own keys
/// lack the prefix; `map_key` accepts both.
class XATTN_API CLIPTextModelImpl : public torch::nn::Cloneable<CLIPTextModelImpl> {
 public:
  using Config = CLIPTextConfig;
  static constexpr const char* kClassName = "CLIPTextModel";

  explicit CLIPTextModelImpl(const CLIPTextConfig& config_);

  void reset() override;

  /// Pretty prints the `CLIPTextModel` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  CLIPTextOutput forward(const torch::Tensor& input_ids,
                         const std::optional<torch::Tensor>& attention_mask = std::nullopt,
                         const CLIPTextForwardOptions& forward_options = {});

  /// Where a tensor of a file goes: `text_model.` may be missing from its key.
  ///
  /// Nowhere go the position ids of older files, and the image encoder, the projections and the
  /// temperature of a whole CLIP model.
  static std::vector<KeyTarget> map_key(const CLIPTextConfig& config, const std::string& key);

  /// Lets each layer be computed again in backward (`GradientCheckpointing`), or not.
  void enable_gradient_checkpointing();
  void disable_gradient_checkpointing();

  /// The config with which this `Module` was constructed.
  CLIPTextConfig config;

  CLIPTextTransformer text_model = nullptr;

 protected:
  FORWARD_HAS_DEFAULT_ARGS({1, torch::nn::AnyValue(std::optional<torch::Tensor>())},
                           {2, torch::nn::AnyValue(CLIPTextForwardOptions())})
};

/// A `ModuleHolder` subclass for `CLIPTextModelImpl`.
TORCH_MODULE(CLIPTextModel);

/// `CLIPTextModel` with a linear layer on the pooled output: the second text encoder of Stable
/// Diffusion XL.
///
/// text_embeds = text_projection(pooler_output), without bias.
///
/// Shapes, dtypes and errors: those of `CLIPTextTransformer`; text_embeds is `[B, projection_dim]`.
///
/// Throws besides: `ValueError` for a projection_dim that is not there or below 1.
///
/// Reference: transformers 5.23.0, models/clip/modeling_clip.py, `CLIPTextModelWithProjection`.
class XATTN_API CLIPTextModelWithProjectionImpl
    : public torch::nn::Cloneable<CLIPTextModelWithProjectionImpl> {
 public:
  using Config = CLIPTextConfig;
  static constexpr const char* kClassName = "CLIPTextModelWithProjection";

  explicit CLIPTextModelWithProjectionImpl(const CLIPTextConfig& config_);

  void reset() override;

  /// Pretty prints the `CLIPTextModelWithProjection` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  CLIPTextOutput forward(const torch::Tensor& input_ids,
                         const std::optional<torch::Tensor>& attention_mask = std::nullopt,
                         const CLIPTextForwardOptions& forward_options = {});

  /// As `CLIPTextModelImpl::map_key`, but the text's projection is this model's.
  static std::vector<KeyTarget> map_key(const CLIPTextConfig& config, const std::string& key);

  /// Lets each layer be computed again in backward (`GradientCheckpointing`), or not.
  void enable_gradient_checkpointing();
  void disable_gradient_checkpointing();

  /// The config with which this `Module` was constructed.
  CLIPTextConfig config;

  CLIPTextTransformer text_model = nullptr;
  Linear text_projection = nullptr;

 protected:
  FORWARD_HAS_DEFAULT_ARGS({1, torch::nn::AnyValue(std::optional<torch::Tensor>())},
                           {2, torch::nn::AnyValue(CLIPTextForwardOptions())})
};

/// A `ModuleHolder` subclass for `CLIPTextModelWithProjectionImpl`.
TORCH_MODULE(CLIPTextModelWithProjection);

}  // namespace xattn
