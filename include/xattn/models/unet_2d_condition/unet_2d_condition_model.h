#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/modules/common.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <ostream>
#include <vector>

#include "xattn/core/export.h"
#include "xattn/models/unet_2d_condition/prepared_texts.h"
#include "xattn/models/unet_2d_condition/text_context.h"
#include "xattn/models/unet_2d_condition/timestep_embedding.h"
#include "xattn/models/unet_2d_condition/timesteps.h"
#include "xattn/models/unet_2d_condition/unet_2d_condition_arguments.h"
#include "xattn/models/unet_2d_condition/unet_2d_condition_config.h"
#include "xattn/models/unet_2d_condition/unet_mid_block_2d_cross_attn.h"
#include "xattn/nn/conv2d.h"
#include "xattn/nn/group_norm.h"

namespace xattn {

/// Predicts the noise (or v) in a latent image from the timestep and a text: Stable Diffusion's
/// UNet.
///
/// Shapes: sample `[B, in_channels, H, W]` of any H and W, timestep `[]`, `[1]` or `[B]` of any
/// dtype, encoder_hidden_states `[B, T, cross_attention_dim]`; returns `[B, out_channels, H, W]`.
///
/// Dtype and device: any floating-point dtype and any device, the same for inputs and weights;
/// under autocast, any floating-point input.
///
/// Units: timesteps are those of the training, 0 to 999; latents are scaled as the pipeline does.
///
/// Throws: `ValueError` for configurations that no model can have, for inputs of another shape,
/// dtype or device, missing, or too many, and for a prepared text of another model, or prepared
/// before the weights changed.
///
/// Reference: diffusers 0.42.1, models/unets/unet_2d_condition.py, `UNet2DConditionModel`.
class XATTN_API UNet2DConditionModelImpl : public torch::nn::Cloneable<UNet2DConditionModelImpl> {
 public:
  using Config = UNet2DConditionConfig;
  static constexpr const char* kClassName = "UNet2DConditionModel";

  explicit UNet2DConditionModelImpl(const UNet2DConditionConfig& config_);

  void reset() override;

  /// Pretty prints the `UNet2DConditionModel` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  torch::Tensor forward(const torch::Tensor& sample, const torch::Tensor& timestep,
                        const torch::Tensor& encoder_hidden_states,
                        const UNet2DConditionArguments& arguments = {});

  /// Computes what depends on the text alone, once for all timesteps: `prepare_texts`.
  PreparedTexts prepare(const torch::Tensor& encoder_hidden_states,
                        const std::optional<torch::Tensor>& encoder_attention_mask = std::nullopt,
                        AttentionPath path = AttentionPath::kAuto);

  /// `forward` with a prepared text in place of the text and its mask; one text serves any batch.
  torch::Tensor forward_prepared(const torch::Tensor& sample, const torch::Tensor& timestep,
                                 const PreparedTexts& text,
                                 const UNet2DConditionArguments& arguments = {});

  /// Lets each residual block and transformer be computed again in backward
  /// (`GradientCheckpointing`), or not. A prepared text is refused then.
  void enable_gradient_checkpointing();
  void disable_gradient_checkpointing();

  /// The configuration with which this `Module` was constructed.
  UNet2DConditionConfig config;

  Conv2d conv_in = nullptr;
  Timesteps time_proj = nullptr;
  TimestepEmbedding time_embedding = nullptr;
  /// `class_embedding`: the one that `class_embed_type` asks for; none for "identity".
  torch::nn::Embedding class_embedding_table = nullptr;
  TimestepEmbedding class_embedding_mlp = nullptr;
  Linear class_embedding_linear = nullptr;
  /// Null without `addition_embed_type`.
  Timesteps add_time_proj = nullptr;
  TimestepEmbedding add_embedding = nullptr;
  /// Of `UNetDownBlock2D`.
  torch::nn::ModuleList down_blocks = nullptr;
  /// Of `UNetUpBlock2D`.
  torch::nn::ModuleList up_blocks = nullptr;
  /// Null without `mid_block_type`.
  UNetMidBlock2DCrossAttn mid_block = nullptr;
  GroupNorm conv_norm_out = nullptr;
  Conv2d conv_out = nullptr;

 private:
  void register_class_embedding(int64_t timestep_dim, int64_t time_embed_dim);
  void register_down_blocks(int64_t temb_channels);
  void register_up_blocks(int64_t temb_channels);

  torch::Tensor run(const torch::Tensor& sample, const torch::Tensor& timestep,
                    const TextContext& text, const UNet2DConditionArguments& arguments);
  /// The sum of the embeddings of timestep, class and size, `[B, temb_channels]`.
  torch::Tensor time_embed(const torch::Tensor& sample, const torch::Tensor& timestep,
                           const UNet2DConditionArguments& arguments);
  torch::Tensor class_embed(const torch::Tensor& sample, const torch::Tensor& class_labels);
  torch::Tensor addition_embed(const torch::Tensor& sample,
                               const UNet2DConditionArguments& arguments);

  Activation act_ = nullptr, time_embed_act_ = nullptr;

 protected:
  FORWARD_HAS_DEFAULT_ARGS({3, torch::nn::AnyValue(UNet2DConditionArguments())})
};

/// A `ModuleHolder` subclass for `UNet2DConditionModelImpl`.
TORCH_MODULE(UNet2DConditionModel);

}  // namespace xattn
