#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "xattn/core/export.h"
#include "xattn/models/unet_2d_condition/unet_2d_condition_model.h"
#include "xattn/pipelines/cancellation.h"
#include "xattn/pipelines/run_steps.h"
#include "xattn/schedulers/scheduler.h"

namespace xattn {

/// What the UNet is told at every step beside the latent and the timestep, for P prompts.
struct Conditioning {
  /// `[P, T, E]` each; the negative ones only where there is guidance.
  at::Tensor prompt_embeds = {}, negative_prompt_embeds = {};
  /// Of XL: `[P, D]`, the pooled texts, and `[B, 6]` or `[B, 5]`, sizes and crops.
  at::Tensor pooled_prompt_embeds = {}, negative_pooled_prompt_embeds = {}, time_ids = {},
             negative_time_ids = {};
  /// Of distilled models: `[B, time_cond_proj_dim]`, see `guidance_scale_embedding`.
  at::Tensor timestep_cond = {};
};

/// What is kept of a picture whose part under a mask is made anew.
struct Inpainting {
  /// `[B, 1, h, w]`: 1 where the picture is made anew, 0 where it is kept.
  at::Tensor mask;
  /// Of a UNet with 9 input channels: the latent of the picture without what is under the mask,
  /// `[B, C, h, w]`.
  at::Tensor masked_image_latents;
  /// Of a UNet with 4: the picture's latent and the noise of the beginning; after each step what is
  /// kept of them is put back.
  at::Tensor image_latents, noise;
};

/// Whether guidance's two predictions are one batch or two passes: the same numbers, but for
/// rounding.
enum class GuidanceBatch {
  /// One batch on a GPU and of pictures up to 512×512, two passes else: they take half the memory.
  kAuto,
  kOne,
  kTwo,
};

/// A step of a run that has been taken.
struct StepEnd {
  /// 0 to steps − 1.
  int64_t step = 0, steps = 0;
  at::Tensor timestep;
  /// The latent after the step, `[B, C, h, w]`. What is put here is what the run goes on with.
  at::Tensor latents;
  /// What the latent would be without noise, as far as is known now; the latent itself where the
  /// scheduler does not say.
  at::Tensor pred_original_sample;
};

struct DenoiseOptions {
  double guidance_scale = 7.5;
  /// See `rescale_noise_cfg`.
  double guidance_rescale = 0;
  GuidanceBatch guidance_batch = GuidanceBatch::kAuto;
  /// Of DDIM and others that know it: how much noise is added, 0 to 1. The rest go without.
  double eta = 0;
  /// None, one, or one for each picture.
  std::vector<at::Generator> generators = {};
  std::optional<Inpainting> inpainting = std::nullopt;
  /// Called after every step, on the thread that called.
  std::function<void(StepEnd&)> on_step_end = nullptr;
  StopToken stop = {};
};

struct DenoiseResult {
  /// `[B, C, h, w]`.
  at::Tensor latents;
  /// How many steps were taken: fewer than asked for where the run was stopped.
  int64_t steps = 0;
};

/// Takes the noise out of latents, step by step, as the texts say.
///
/// noise = uncond + guidance_scale · (text − uncond) where there are negative embeddings, else the
/// text's prediction alone; then one step of the scheduler.
///
/// Shapes: latents `[B, C, h, w]` with B a multiple of P; picture b is of prompt ⌊b · P / B⌋.
///
/// Dtype and device: the UNet's. Gradients are not computed.
///
/// Throws: `ValueError` for shapes that do not fit each other or the UNet, and as the UNet and the
/// scheduler.
///
/// Reference: diffusers 0.42.1, pipelines/stable_diffusion/, step 7 of `__call__`.
XATTN_API DenoiseResult denoise(const UNet2DConditionModel& unet, const Scheduler& scheduler,
                                const Schedule& schedule, const RunSteps& steps,
                                const at::Tensor& latents, const Conditioning& conditioning,
                                const DenoiseOptions& options = {});

}  // namespace xattn
