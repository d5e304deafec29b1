#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "xattn/core/export.h"
#include "xattn/images/image_read_options.h"
#include "xattn/training/batch_order.h"
#include "xattn/training/image_folder.h"
#include "xattn/training/image_transform.h"

namespace xattn {

/// Pictures and captions to learn from.
struct PictureBatch {
  /// float32 `[B, 3, R, R]` in −1…1, on the CPU.
  at::Tensor pixel_values;
  /// One for each picture, drawn of its captions.
  std::vector<std::string> captions;
  std::vector<PictureTurn> turns;
  /// Where the batch after this one begins.
  DataPlace next_place;
};

/// The caption of a picture's turn. Where there are several, `generator`, which the turn has made,
/// draws one first of all, before crop and flip.
XATTN_API const std::string& draw_caption(const CaptionedPicture& picture,
                                          at::Generator& generator);

/// Options of `PictureLoader`.
struct PictureLoaderOptions {
  /// Batches that are read before they are asked for.
  int64_t batches_ahead = 4;
  /// Threads that read and decode.
  int64_t threads = 1;
  ImageReadOptions read = {};
};

/// Reads, decodes and transforms batches of pictures ahead, on threads of its own.
///
/// The batches are those of the order, and all that is drawn for a picture comes from its turn's
/// seed: they are the same for any number of threads, and on from any place. torch's own generator
/// is not touched, nor its number of threads: each of the loader's works alone.
///
/// Not for use by several threads at once.
///
/// Throws: `ValueError` for options below 1 and an order of another size than the pictures. `next`
/// throws what reading threw, a `FileError` that names the file; each call after it does so too.
class XATTN_API PictureLoader {
 public:
  /// Begins at `order.place()`.
  PictureLoader(std::vector<CaptionedPicture> pictures, const ImageTransform& transform,
                const BatchOrder& order, const PictureLoaderOptions& options = {});
  ~PictureLoader();
  PictureLoader(PictureLoader&&) noexcept;
  PictureLoader& operator=(PictureLoader&&) noexcept;

  /// The next batch; waits for it.
  PictureBatch next();

 private:
  struct Reading;
  std::unique_ptr<Reading> reading_;
};

}  // namespace xattn
