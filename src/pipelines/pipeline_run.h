#pragma once

#include <string>
#include <vector>

#include "xattn/pipelines/diffusion_pipeline.h"

namespace xattn {

/// The pictures and masks of a run, as the UNet and the scheduler need them.
struct RunInputs {
  at::Tensor latents;
  std::optional<Inpainting> inpainting;
};

/// What is known of a run before its latents are made.
struct RunSetting {
  const char* place;
  const UNet2DConditionModel& unet;
  const AutoencoderKL& vae;
  const Scheduler& scheduler;
  const Schedule& schedule;
  RunSteps steps;
  LatentRules rules;
  int64_t pictures;
  /// Whether the run begins with noise alone, whatever picture there is.
  bool is_strength_max;
};

/// The latents that a run begins with, drawn in the original's order: noise; or a picture's with
/// noise; for inpainting also what is kept.
///
/// Throws: `ValueError` for sizes and numbers of pictures that do not fit.
RunInputs make_text_to_image_inputs(const RunSetting& run, const PipelineArguments& arguments);
RunInputs make_image_to_image_inputs(const RunSetting& run, const PipelineArguments& arguments);
RunInputs make_inpainting_inputs(const RunSetting& run, const PipelineArguments& arguments);

/// The height and width of pictures: what is asked for, or the UNet's sample_size.
///
/// Throws: `ValueError` unless both are positive multiples of the VAE's factor.
HeightWidth picture_size(const RunSetting& run, const PipelineArguments& arguments);

}  // namespace xattn
