#pragma once

#include <optional>
#include <string>

#include "xattn/core/export.h"
#include "xattn/models/clip/clip_text_model.h"
#include "xattn/pipelines/diffusion_pipeline.h"
#include "xattn/text/clip_tokenizer.h"

namespace xattn {

/// Stable Diffusion XL, its refiner, which has the second text encoder alone, and Turbo.
///
/// It is the original's `StableDiffusionXLPipeline`, `StableDiffusionXLImg2ImgPipeline` and
/// `StableDiffusionXLInpaintPipeline` in one, without the watermark.
///
/// Reference: diffusers 0.42.1, pipelines/stable_diffusion_xl/.
class XATTN_API StableDiffusionXLPipeline : public DiffusionPipeline {
 public:
  std::string class_name() const override { return "StableDiffusionXLPipeline"; }
  PromptEmbeddings encode_prompt(const Prompts& prompts,
                                 const EncodePromptOptions& options = {}) const override;
  LatentRules latent_rules() const override;
  Defaults defaults(Task task) const override;

  /// The refiner has none of the first.
  std::optional<CLIPTokenizer> tokenizer, tokenizer_2;
  CLIPTextModel text_encoder = nullptr;
  CLIPTextModelWithProjection text_encoder_2 = nullptr;
  /// Whether zeros stand for a negative prompt that is not given.
  bool force_zeros_for_empty_prompt = true;
  /// Whether the UNet is told how beautiful the picture is to be, as the refiner is.
  bool requires_aesthetics_score = false;

 protected:
  void check_known(const PipelineArguments& arguments, Task task) const override;
  void add_conditions(Conditioning& conditioning, const PipelineArguments& arguments, Task task,
                      const at::Tensor& latents) const override;

 private:
  /// Throws `ValueError` unless the UNet takes so many sizes beside a pooled text of this width.
  void check_embedding_size(int64_t numbers, int64_t pooled) const;
};

}  // namespace xattn
