#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/normalization.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <ostream>
#include <vector>

#include "xattn/models/unet_2d_condition/text_context.h"
#include "xattn/models/unet_2d_condition/timestep_embedding.h"
#include "xattn/models/unet_2d_condition/timesteps.h"
#include "xattn/models/unet_2d_condition/unet_2d_condition_config.h"
#include "xattn/models/unet_2d_condition/unet_mid_block_2d_cross_attn.h"
#include "xattn/nn/conv2d.h"

namespace xattn {

/// What `UNet2DConditionModel::forward` takes beside the latent, the timestep and the text.
struct UNet2DConditionArguments {
  /// `[B]`, or `[B, projection_class_embeddings_input_dim]` where these are projected, or `[B,
  /// time_embed_dim]` with class_embed_type "identity".
  std::optional<torch::Tensor> class_labels;
  /// `[B, time_cond_proj_dim]`: the guidance scale's embedding of distilled models (LCM).
  std::optional<torch::Tensor> timestep_cond;
  /// `[B, N]`, 1 or true for image tokens that take part in self attention: as many as every level
  /// has.
  std::optional<torch::Tensor> attention_mask;
  /// `[B, T]`, 1 or true for text tokens that take part.
  std::optional<torch::Tensor> encoder_attention_mask;
  /// `[B, P]` and `[B, K]`, with addition_embed_type "text_time": the pooled text, and the sizes
  /// and crop.
  std::optional<torch::Tensor> text_embeds, time_ids;
  /// ControlNet's: one for each residual of the way down, and one for the middle.
  std::vector<torch::Tensor> down_block_additional_residuals;
  std::optional<torch::Tensor> mid_block_additional_residual;
  /// T2I-Adapter's: one for each block on the way down.
  std::vector<torch::Tensor> down_intrablock_additional_residuals;
};

/// What `UNet2DConditionModel::prepare` makes of a text, for any number of passes.
///
/// It holds every cross attention layer's keys and values and, where the processor's kernels are
/// used, the layer's query and output projections packed for them, with short texts folded into
/// these. For a text of 77 tokens that is 65 MiB of Stable Diffusion 1.5 (2 % of its weights; 55
/// MiB more for each further text of a batch) and 0.9 GiB of XL (9 %; 90 MiB more); with
/// `AttentionPath::kSdpa`, which has keys and values only, 8 MiB and 50 MiB for each text.
struct PreparedTexts {
  /// In the order in which the layers run: the way down, the middle, the way up.
  std::vector<PreparedText> layers;
};

/// Predicts the noise (or v) in a latent image from the timestep and a text: Stable Diffusion's
/// UNet.
///
/// Shapes: sample `[B, in_channels, H, W]` of any H and W, timestep `[]`, `[1]` or `[B]` of any
/// dtype, encoder_hidden_states `[B, T, cross_attention_dim]`; returns `[B, out_channels, H, W]`.
/// Dtype and device: any floating-point dtype and any device, the same for inputs and weights.
/// Throws: `ValueError` for configurations that no model can have, and for inputs of another shape,
/// dtype or device, missing, or too many. Reference: diffusers 0.42.1,
/// models/unets/unet_2d_condition.py, `UNet2DConditionModel`.
class UNet2DConditionModelImpl : public torch::nn::Cloneable<UNet2DConditionModelImpl> {
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

  /// Computes what depends on the text alone, once for all timesteps.
  PreparedTexts prepare(const torch::Tensor& encoder_hidden_states,
                        const std::optional<torch::Tensor>& encoder_attention_mask = std::nullopt,
                        AttentionPath path = AttentionPath::kAuto);

  /// `forward` with a prepared text in place of the text and its mask.
  torch::Tensor forward_prepared(const torch::Tensor& sample, const torch::Tensor& timestep,
                                 const PreparedTexts& text,
                                 const UNet2DConditionArguments& arguments = {});

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
  /// Of `CrossAttnDownBlock2D` and `DownBlock2D`.
  torch::nn::ModuleList down_blocks = nullptr;
  /// Of `CrossAttnUpBlock2D` and `UpBlock2D`.
  torch::nn::ModuleList up_blocks = nullptr;
  /// Null without `mid_block_type`.
  UNetMidBlock2DCrossAttn mid_block = nullptr;
  torch::nn::GroupNorm conv_norm_out = nullptr;
  Conv2d conv_out = nullptr;

 private:
  void register_class_embedding(int64_t timestep_dim, int64_t time_embed_dim);
  void register_down_blocks(int64_t temb_channels);
  void register_up_blocks(int64_t temb_channels);

  torch::Tensor run(const torch::Tensor& sample, const torch::Tensor& timestep, TextContext& text,
                    const UNet2DConditionArguments& arguments);
  /// The sum of the embeddings of timestep, class and size, `[B, temb_channels]`.
  torch::Tensor time_embed(const torch::Tensor& sample, const torch::Tensor& timestep,
                           const UNet2DConditionArguments& arguments);
  torch::Tensor class_embed(const torch::Tensor& sample, const torch::Tensor& class_labels);
  torch::Tensor addition_embed(const torch::Tensor& sample,
                               const UNet2DConditionArguments& arguments);
  void check_inputs(const torch::Tensor& sample, const torch::Tensor& timestep,
                    const UNet2DConditionArguments& arguments) const;

  Activation act_ = nullptr, time_embed_act_ = nullptr;
};

/// A `ModuleHolder` subclass for `UNet2DConditionModelImpl`.
TORCH_MODULE(UNet2DConditionModel);

}  // namespace xattn
