#pragma once

#include <memory>
#include <optional>
#include <string>

#include "xattn/core/export.h"
#include "xattn/models/autoencoder_kl/autoencoder_kl.h"
#include "xattn/models/unet_2d_condition/unet_2d_condition_model.h"
#include "xattn/pipelines/latents.h"
#include "xattn/pipelines/pipeline_arguments.h"
#include "xattn/schedulers/scheduler.h"

namespace xattn {

/// From a prompt to a picture: what the pipelines of Stable Diffusion share.
///
/// A run is made of the functions that stand beside this class, which can be used alone:
/// `encode_prompt`, `encode_latents`, `randn_tensor`, `run_steps`, `denoise`, `decode_latents`,
/// `VaeImageProcessor`.
///
/// Components are public, and shared with whoever else holds them: several pipelines may have the
/// same UNet. Each may be replaced, moved to a device or dtype of its own (texts and latents are
/// moved and converted between them), or set to nullptr when it is no longer needed. A run changes
/// none of them, so runs may share a pipeline from many threads.
///
///     auto pipeline = xattn::open_pipeline("stable-diffusion-v1-5");
///     auto output = (*pipeline)({.prompt = {"a lighthouse at dawn"}});
///     xattn::save_png("lighthouse.png", output.images[0]);
class XATTN_API DiffusionPipeline {
 public:
  virtual ~DiffusionPipeline() = default;

  /// The class that the folder's model_index.json names: "StableDiffusionPipeline".
  virtual std::string class_name() const = 0;

  /// Makes pictures. Gradients are not computed.
  ///
  /// A text that does not fit into the encoder is cut, which is said in a warning (`TORCH_WARN`).
  ///
  /// Throws: `ValueError` for arguments that this pipeline does not know, that contradict each
  /// other or are out of range, and for a component that is missing; `Cancelled` where it was
  /// stopped.
  PipelineOutput operator()(const PipelineArguments& arguments) const;

  /// What the text encoders make of prompts.
  virtual PromptEmbeddings encode_prompt(const Prompts& prompts,
                                         const EncodePromptOptions& options = {}) const = 0;

  /// Replaces the scheduler by one of another class with the same options:
  /// "EulerDiscreteScheduler". Throws: as `scheduler_from_json`.
  void use_scheduler(const std::string& class_name);

  /// What the pipeline does to latents beside the scaling factor.
  virtual LatentRules latent_rules() const = 0;

  /// What a run that is text-to-image, image-to-image or inpainting takes where nothing is said.
  struct Defaults {
    int64_t num_inference_steps;
    double guidance_scale;
    double strength;
  };
  enum class Task { kTextToImage, kImageToImage, kInpainting };
  virtual Defaults defaults(Task task) const = 0;
  /// What is asked for: inpainting with a mask, image-to-image with a picture or its latents.
  static Task task_of(const PipelineArguments& arguments);

  /// Throws as a run with these arguments would before it encodes a prompt.
  void check(const PipelineArguments& arguments) const;

  /// Whether negative prompts count: above 1, and not where the model reads the scale itself.
  bool does_classifier_free_guidance(double guidance_scale) const;

  UNet2DConditionModel unet = nullptr;
  AutoencoderKL vae = nullptr;
  std::shared_ptr<const Scheduler> scheduler;

 protected:
  /// Throws `ValueError` for arguments that this class does not know.
  virtual void check_known(const PipelineArguments& arguments, Task task) const = 0;

  /// What the UNet is told beside the texts: XL's sizes. `latents` say how large the pictures are.
  virtual void add_conditions(Conditioning& conditioning, const PipelineArguments& arguments,
                              Task task, const at::Tensor& latents) const = 0;

  /// The strength as the schedule's, where the class leaves it to the scheduler (LCM).
  virtual bool schedules_strength() const { return false; }

 private:
  struct Run;
};

/// Options of `open_pipeline`.
struct PipelineOptions {
  /// Of all models; Python's `torch_dtype`.
  at::ScalarType dtype = at::kFloat;
  /// Of all models: as `PretrainedOptions::weights_dtype`.
  std::optional<at::ScalarType> weights_dtype = std::nullopt;
  at::Device device = at::kCPU;
  /// Of all models: "fp16".
  std::string variant = {};
  /// In place of the scheduler's class in the folder, with the same options.
  std::string scheduler = {};
};

/// The pipeline of a folder, of the class that its model_index.json names.
///
/// Classes: `StableDiffusionPipeline` and `StableDiffusionXLPipeline`, their `Img2Img` and
/// `Inpaint` kinds, `LatentConsistencyModelPipeline`. Entries that have no part in making a picture
/// (`safety_checker`, `feature_extractor`, `image_encoder`) are named in a warning and left out.
///
/// Throws: `FileError` and `ValueError`, naming the component, for what cannot be read or does not
/// fit together.
///
/// Reference: diffusers 0.42.1, pipelines/pipeline_utils.py, `DiffusionPipeline.from_pretrained`.
XATTN_API std::unique_ptr<DiffusionPipeline> open_pipeline(const std::string& folder,
                                                           const PipelineOptions& options = {});

}  // namespace xattn
