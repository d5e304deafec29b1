#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "xattn/core/export.h"
#include "xattn/images/image_read_options.h"
#include "xattn/models/autoencoder_kl/autoencoder_kl.h"
#include "xattn/training/batch_order.h"
#include "xattn/training/image_folder.h"
#include "xattn/training/image_transform.h"

namespace xattn {

/// Options of `LatentCache`.
struct LatentCacheOptions {
  /// Pictures that the encoder takes at once.
  int64_t batch_size = 8;
  ImageReadOptions read = {};
  /// Called with the pictures that are done and with all, after each batch.
  std::function<void(int64_t done, int64_t all)> progress = {};
};

/// A picture's latents as the encoder says them, and whether they are of its mirror image.
struct LatentChoice {
  int64_t picture = 0;
  bool flip = false;
};

/// Latents and captions to learn from.
struct LatentBatch {
  /// Of each picture's posterior, `[B, C, h, w]`, on the CPU: a sample is mean + std · noise. They
  /// are as the encoder says them, without the pipeline's scaling_factor.
  at::Tensor mean, std;
  /// One for each picture; empty from `read`.
  std::vector<std::string> captions;
};

/// The latents of all pictures, computed once and kept in a file.
///
/// The file is safetensors with one tensor, "latents" `[N, V, 2, C, h, w]` in the autoencoder's
/// dtype: the pictures in their order; V = 2 with random flips, as they are and mirrored, and else
/// 1; mean and std. Its metadata say what made them: the SHA-256 of the encoder's weights, the
/// transform, and the SHA-256 of the pictures' names, sizes and times of change. Where all that is
/// the same the file is used as it is, and else it is made anew; it appears complete or not at all.
///
/// Memory is a batch's: pictures go into the file as they are encoded, latents come from it as they
/// are asked for. May be read from several threads.
///
/// Throws: `ValueError` for a transform with random crops, whose latents would be others each time,
/// and for no pictures; `FileError` for a picture that cannot be read, one whose latents are not
/// finite, and a file of that name that is no such cache, which is left as it is.
class XATTN_API LatentCache {
 public:
  /// Opens the file, or makes it.
  LatentCache(const std::string& path, AutoencoderKL autoencoder,
              std::vector<CaptionedPicture> pictures, const ImageTransform& transform,
              const LatentCacheOptions& options = {});
  ~LatentCache();
  LatentCache(LatentCache&&) noexcept;
  LatentCache& operator=(LatentCache&&) noexcept;

  /// The latents of a batch's turns, and the captions and flips that `PictureLoader` would draw.
  LatentBatch batch(const std::vector<PictureTurn>& turns) const;

  /// The latents of pictures. Throws: `ValueError` for a picture that is not there, and for a
  /// mirrored one where the transform has no flips.
  LatentBatch read(const std::vector<LatentChoice>& choices) const;

  /// Why the file was made: "there was none", "the pictures changed", …; empty where it was used
  /// as it was.
  const std::string& made_because() const;

 private:
  struct Contents;
  std::unique_ptr<Contents> contents_;
};

}  // namespace xattn
