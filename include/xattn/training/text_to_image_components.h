#pragma once

#include <memory>
#include <string>

#include "xattn/core/export.h"
#include "xattn/models/autoencoder_kl/autoencoder_kl.h"
#include "xattn/models/clip/clip_text_model.h"
#include "xattn/models/unet_2d_condition/unet_2d_condition_model.h"
#include "xattn/schedulers/scheduling_ddpm.h"
#include "xattn/text/clip_tokenizer.h"

namespace xattn {

/// The parts of a Stable Diffusion that is trained.
struct TextToImageComponents {
  CLIPTokenizer tokenizer;
  /// Which a folder that is saved gets a copy of.
  std::string tokenizer_folder;
  CLIPTextModel text_encoder;
  UNet2DConditionModel unet;
  AutoencoderKL vae;
  /// What makes pictures, as it is saved.
  std::shared_ptr<const Scheduler> scheduler;
  /// What adds noise: Python's `DDPMScheduler.from_config(scheduler.config)`.
  std::shared_ptr<const DDPMScheduler> noise_scheduler;
};

/// The components of a pipeline's folder, in float32.
///
/// `prediction_type`: in place of the scheduler's own, which is then saved so: "epsilon",
/// "v_prediction" or "sample"; empty for its own.
///
/// Throws: as `open_pipeline`; `ValueError` for another pipeline than Stable Diffusion 1's and 2's
/// (XL, a latent consistency model), and for a UNet that takes more than latents (inpainting).
XATTN_API TextToImageComponents open_text_to_image(const std::string& folder,
                                                   const std::string& prediction_type = "");

/// Components of which the UNet and the text encoder are made from configs, with weights that are
/// drawn (`torch::manual_seed`).
///
/// `config`: a JSON object of `unet`, `text_encoder` and `scheduler`, each of them what the
/// component's config.json has. `vae` and `tokenizer` are folders.
///
/// Throws: `ValueError` for configs that cannot be honoured or do not fit together: widths of text
/// and UNet, channels of UNet and autoencoder, sizes of the vocabularies; `FileError`.
XATTN_API TextToImageComponents make_text_to_image(const std::string& config,
                                                   const std::string& vae,
                                                   const std::string& tokenizer,
                                                   const std::string& prediction_type = "");

/// Writes the folder of a `StableDiffusionPipeline`, which `open_pipeline` and diffusers read.
///
/// Throws: `FileError`.
XATTN_API void save_text_to_image(const TextToImageComponents& components,
                                  const std::string& folder);

}  // namespace xattn
