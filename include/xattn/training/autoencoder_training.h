#pragma once

#include <memory>
#include <vector>

#include "xattn/core/export.h"
#include "xattn/models/autoencoder_kl/autoencoder_kl.h"
#include "xattn/training/autoencoder_loss.h"
#include "xattn/training/image_folder.h"
#include "xattn/training/training.h"
#include "xattn/training/training_options.h"

namespace xattn {

/// How an autoencoder is trained with its data.
struct AutoencoderTrainingOptions : TrainingOptions {
  AutoencoderLossOptions loss = {};
  /// Whether the encoder stays as it is, and with it the latents that a UNet knows.
  bool decoder_only = false;
};

/// An `AutoencoderKL` that learns from a folder of pictures, whose captions are not used.
///
/// Its samples are the first eight pictures, or fewer, encoded and decoded, and what they should be
/// are these pictures.
///
/// A folder that it saves has a new `scaling_factor`, 1 / std of the latents' means of up to 256
/// pictures, evenly chosen, so that a UNet's latents have about unit variance; with `decoder_only`
/// the old one.
///
/// Throws: `ValueError` for no pictures, options out of range, and pictures of another number of
/// channels than the model's; `FileError` for a picture that cannot be read.
class XATTN_API AutoencoderTraining : public Training {
 public:
  AutoencoderTraining(AutoencoderKL model, std::vector<CaptionedPicture> pictures,
                      const AutoencoderTrainingOptions& options = {});
  ~AutoencoderTraining() override;

  TrainingStep step() override;
  void save(TrainingCheckpoint& checkpoint) const override;
  void load(const TrainingCheckpoint& checkpoint) override;
  std::vector<at::Tensor> samples() override;
  std::vector<at::Tensor> originals() override;
  void save_pretrained(const std::string& folder) override;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace xattn
