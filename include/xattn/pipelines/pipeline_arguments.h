#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "xattn/pipelines/denoise.h"
#include "xattn/pipelines/prompt_embeddings.h"

namespace xattn {

/// A height and a width, in pixels: XL's way.
using HeightWidth = std::array<int64_t, 2>;

/// What a run does next.
enum class PipelineStage { kEncodePrompt, kEncodeImage, kDenoise, kDecode };

/// What a run does when it is stopped.
enum class OnStop {
  /// It throws `Cancelled`.
  kThrow,
  /// It returns the latents that are there, and no pictures.
  kReturn,
};

/// What a pipeline is asked for. The names are those of the originals' `__call__`.
///
/// With `image` it is image-to-image, with `mask_image` as well inpainting. What a pipeline does
/// not know is refused by name.
struct PipelineArguments {
  /// One text for each picture; see `Prompts`.
  std::vector<std::string> prompt = {};
  std::optional<std::vector<std::string>> negative_prompt = std::nullopt;
  /// Of XL, for its second text encoder.
  std::vector<std::string> prompt_2 = {};
  std::optional<std::vector<std::string>> negative_prompt_2 = std::nullopt;
  PromptSyntax prompt_syntax = PromptSyntax::kPlain;
  std::optional<int64_t> clip_skip = std::nullopt;
  /// In place of prompts: what `encode_prompt` made of them. Negative prompts may still be texts.
  std::optional<PromptEmbeddings> prompt_embeddings = std::nullopt;

  /// In pixels, multiples of the VAE's factor. Without them: the UNet's `sample_size`, or for
  /// image-to-image the picture's own.
  std::optional<int64_t> height = std::nullopt, width = std::nullopt;
  int64_t num_images_per_prompt = 1;
  /// None for torch's own, one for all pictures, or one for each.
  std::vector<at::Generator> generators = {};
  /// `[B, C, h, w]`: the noise to begin with, in place of drawing it.
  std::optional<at::Tensor> latents = std::nullopt;

  /// 50, or 4 for a `LatentConsistencyModelPipeline`.
  std::optional<int64_t> num_inference_steps = std::nullopt;
  /// In place of a number of steps, where the scheduler takes them.
  std::vector<double> timesteps = {};
  std::vector<double> sigmas = {};
  /// Above 1 the negative prompt counts. 7.5; of XL 5, for inpainting 7.5; 8.5 for a
  /// `LatentConsistencyModelPipeline`.
  std::optional<double> guidance_scale = std::nullopt;
  double guidance_rescale = 0;
  GuidanceBatch guidance_batch = GuidanceBatch::kAuto;
  /// Of schedulers that know it, 0 to 1.
  double eta = 0;
  /// Of LCM's and TCD's schedulers: see `ScheduleOptions`.
  std::optional<int64_t> original_inference_steps = std::nullopt;

  /// Pictures to begin with, uint8 `[H, W, C]`: one, or one for each picture (or each prompt).
  std::vector<at::Tensor> image = {};
  /// In their place, latents as a pipeline returns them: XL's refiner takes the base's.
  std::optional<at::Tensor> image_latents = std::nullopt;
  /// What is made anew is white; uint8 `[H, W, C]`.
  std::vector<at::Tensor> mask_image = {};
  /// How much of a picture is made anew, 0 to 1. 0.8, for inpainting 1; of XL 0.3 and 0.9999.
  std::optional<double> strength = std::nullopt;

  /// Of XL: where of all noise the run begins and ends; the base ends at 0.8, where the refiner
  /// begins.
  std::optional<double> denoising_start = std::nullopt, denoising_end = std::nullopt;
  /// Of XL: the sizes and the crop that the model is told. Without them: the picture's own and no
  /// crop; the negative ones are those of the prompt.
  std::optional<HeightWidth> original_size = std::nullopt, target_size = std::nullopt;
  std::optional<HeightWidth> crops_coords_top_left = std::nullopt;
  std::optional<HeightWidth> negative_original_size = std::nullopt,
                             negative_target_size = std::nullopt;
  std::optional<HeightWidth> negative_crops_coords_top_left = std::nullopt;
  /// Of XL's refiner: 6 and 2.5.
  std::optional<double> aesthetic_score = std::nullopt, negative_aesthetic_score = std::nullopt;

  /// Whether pictures are wanted; the original's `output_type="latent"` means that they are not.
  bool decode = true;
  /// Called on the caller's thread as each stage begins. What is put in place of a component here
  /// (nothing, to free it) is not used by the stages that are over.
  std::function<void(PipelineStage)> on_stage = nullptr;
  std::function<void(StepEnd&)> on_step_end = nullptr;
  /// Looked at between steps and between stages.
  StopToken stop = {};
  OnStop on_stop = OnStop::kThrow;
};

struct PipelineOutput {
  /// uint8 `[B, H, W, 3]` on the CPU; undefined where the run was stopped or asked for latents.
  at::Tensor images;
  /// `[B, C, h, w]`, as the UNet knows them.
  at::Tensor latents;
  /// How many steps were taken, and how many were planned.
  int64_t steps = 0, planned_steps = 0;
  bool stopped = false;
};

}  // namespace xattn
