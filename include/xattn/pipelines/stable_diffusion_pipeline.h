#pragma once

#include <memory>
#include <optional>
#include <string>

#include "xattn/core/export.h"
#include "xattn/models/clip/clip_text_model.h"
#include "xattn/pipelines/diffusion_pipeline.h"
#include "xattn/text/clip_tokenizer.h"

namespace xattn {

/// Stable Diffusion 1 and 2, and what is distilled from them: from texts, from a picture, or under
/// a mask of one.
///
/// It is the original's `StableDiffusionPipeline`, `StableDiffusionImg2ImgPipeline` and
/// `StableDiffusionInpaintPipeline` in one; with `is_latent_consistency` it has the defaults of
/// `LatentConsistencyModelPipeline`, and no negative prompts.
///
/// Reference: diffusers 0.42.1, pipelines/stable_diffusion/ and
/// pipelines/latent_consistency_models/.
class XATTN_API StableDiffusionPipeline : public DiffusionPipeline {
 public:
  std::string class_name() const override;
  PromptEmbeddings encode_prompt(const Prompts& prompts,
                                 const EncodePromptOptions& options = {}) const override;
  LatentRules latent_rules() const override;
  Defaults defaults(Task task) const override;

  std::optional<CLIPTokenizer> tokenizer;
  CLIPTextModel text_encoder = nullptr;
  bool is_latent_consistency = false;

 protected:
  void check_known(const PipelineArguments& arguments, Task task) const override;
  void add_conditions(Conditioning& conditioning, const PipelineArguments& arguments, Task task,
                      const at::Tensor& latents) const override;
  bool schedules_strength() const override { return is_latent_consistency; }
};

}  // namespace xattn
