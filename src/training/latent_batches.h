#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "training/picture_batches.h"
#include "xattn/models/autoencoder_kl/autoencoder_kl.h"
#include "xattn/training/latent_cache.h"

namespace xattn {

/// A batch to learn from: latents as the UNet takes them, and their captions.
struct CaptionedLatents {
  at::Tensor latents;
  std::vector<std::string> captions, pictures;
};

/// The latents of pictures, batch by batch: from a file that keeps them or, with random crops,
/// encoded anew.
class LatentBatches {
 public:
  LatentBatches(AutoencoderKL vae, std::vector<CaptionedPicture> pictures,
                const TrainingOptions& options, const std::string& file,
                const std::function<void(int64_t done, int64_t all)>& on_encoded);

  /// Draws the latents' noise by torch's own generator.
  CaptionedLatents next();

  DataPlace place() const;
  void seek(const DataPlace& place);

 private:
  at::Tensor sampled(const at::Tensor& mean, const at::Tensor& std) const;

  AutoencoderKL vae_;
  TrainingOptions options_;
  PictureBatches pictures_;
  BatchOrder order_;
  std::unique_ptr<LatentCache> cache_;
};

}  // namespace xattn
