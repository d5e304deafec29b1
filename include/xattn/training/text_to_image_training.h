#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "xattn/core/export.h"
#include "xattn/training/diffusion_loss.h"
#include "xattn/training/image_folder.h"
#include "xattn/training/text_to_image_components.h"
#include "xattn/training/training.h"
#include "xattn/training/training_options.h"

namespace xattn {

/// How a text-to-image model is trained with its data.
struct TextToImageTrainingOptions : TrainingOptions {
  bool train_text_encoder = false;
  std::optional<double> snr_gamma = std::nullopt;
  DiffusionNoiseOptions noise = {};
  /// How many of the captions are replaced by the empty one, 0 to 1.
  double caption_dropout = 0;

  /// The file that keeps the latents (`LatentCache`). With random crops there is none, and each
  /// picture is encoded at each of its turns.
  std::string latents_file;
  /// Called as pictures are encoded for it.
  std::function<void(int64_t done, int64_t all)> on_encoded = {};

  /// The samples: a picture for each prompt, from noise of `seed`, `seed` + 1, ….
  std::vector<std::string> validation_prompts = {};
  int64_t validation_inference_steps = 25;
  double validation_guidance_scale = 7.5;
};

/// A Stable Diffusion that learns from a folder of pictures and captions: the UNet, and perhaps the
/// text encoder.
///
/// Draws at each step: the latents' noise, then as `text_to_image_loss`.
///
/// Throws: `ValueError` for no pictures, options out of range, and a resolution that is no multiple
/// of the autoencoder's factor; `FileError` for a picture that cannot be read.
///
/// Reference: diffusers 0.42.1, examples/text_to_image/train_text_to_image.py.
class XATTN_API TextToImageTraining : public Training {
 public:
  TextToImageTraining(TextToImageComponents components, std::vector<CaptionedPicture> pictures,
                      const TextToImageTrainingOptions& options);
  ~TextToImageTraining() override;

  TrainingStep step() override;
  void save(TrainingCheckpoint& checkpoint) const override;
  void load(const TrainingCheckpoint& checkpoint) override;
  std::vector<at::Tensor> samples() override;
  void save_pretrained(const std::string& folder) override;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace xattn
