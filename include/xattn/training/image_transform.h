#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "xattn/core/export.h"
#include "xattn/images/resize.h"

namespace xattn {

/// Which part of a resized picture is kept.
enum class Crop { kCenter, kRandom };

/// Options of `ImageTransform`.
struct ImageTransformOptions {
  /// Height and width of the result, in pixels.
  int64_t resolution = 512;
  Resampling resample = Resampling::kLanczos;
  Crop crop = Crop::kCenter;
  /// Whether half of the pictures, at random, are mirrored left to right.
  bool random_flip = false;
};

/// Where a picture is cut out, and whether it is mirrored.
struct CropAndFlip {
  int64_t top = 0, left = 0;
  bool flip = false;
};

/// Makes a picture the input of a model: resized, cropped to a square, perhaps mirrored, in −1…1.
///
/// The shorter side becomes `resolution`, the longer one resolution · long / short, rounded down. A
/// crop in the centre begins at round((size − resolution) / 2), halves to even. A random one draws
/// its top and its left edge, unless there is only one; then a flip draws one uniform number, and
/// mirrors below ½. Byte x becomes (x / 255 − ½) / ½ in float32.
///
/// Shapes: pictures uint8 `[H, W, 1…4]`, as `load_image` reads them; results float32 `[3, R, R]`.
/// Grey is repeated, alpha dropped.
///
/// Throws: `ValueError` for a resolution below 1 or above 65536, for other pictures, and for a
/// generator that is not of the CPU.
///
/// Reference: torchvision 0.28, transforms.Resize (of a PIL picture), CenterCrop, RandomCrop,
/// RandomHorizontalFlip, ToTensor, Normalize([0.5], [0.5]), as diffusers'
/// examples/text_to_image/train_text_to_image.py chains them.
class XATTN_API ImageTransform {
 public:
  explicit ImageTransform(const ImageTransformOptions& options = {});

  const ImageTransformOptions& options() const { return options_; }

  /// Draws where a picture of that size is cut and whether it is mirrored; draws nothing without
  /// random crops and flips.
  CropAndFlip draw(int64_t height, int64_t width, at::Generator& generator) const;

  /// The picture, cut and mirrored as said. `top` and `left` count pixels of the resized one.
  at::Tensor apply(const at::Tensor& pixels, const CropAndFlip& crop_and_flip) const;

  /// `apply` of what `draw` draws.
  at::Tensor operator()(const at::Tensor& pixels, at::Generator& generator) const;

  /// The options in words: "512x512 lanczos, centre crop, random flips".
  std::string text() const;

 private:
  ImageTransformOptions options_;
};

}  // namespace xattn
