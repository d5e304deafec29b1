#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <vector>

#include "xattn/training/picture_loader.h"
#include "xattn/training/training_options.h"

namespace xattn {

/// The batches of a training from pictures, with their place in the data.
class PictureBatches {
 public:
  PictureBatches(std::vector<CaptionedPicture> pictures, const TrainingOptions& options);

  /// The next batch, with pictures on the options' device and in their memory format.
  PictureBatch next();

  /// Where the next batch begins.
  const DataPlace& place() const { return place_; }
  void seek(const DataPlace& place);

  /// The names of a batch's pictures.
  std::vector<std::string> names(const std::vector<PictureTurn>& turns) const;

  /// Up to `count` pictures, evenly chosen, cropped in the centre and not mirrored: `[n, 3, R, R]`.
  at::Tensor chosen(int64_t count) const;

 private:
  std::vector<CaptionedPicture> pictures_;
  const TrainingOptions options_;
  DataPlace place_;
  /// Made by the first `next`: it begins to read.
  std::optional<PictureLoader> loader_;
};

/// On the options' device and in their memory format.
at::Tensor placed(const at::Tensor& images, const TrainingOptions& options);

}  // namespace xattn
