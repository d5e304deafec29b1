#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "xattn/core/export.h"
#include "xattn/images/resize.h"

namespace xattn {

/// The options of `VaeImageProcessor`, by the original's names.
struct XATTN_API VaeImageProcessorConfig {
  /// Whether pictures are resized to a multiple of `vae_scale_factor`.
  bool do_resize = true;
  /// How many pixels of a picture are one of the latents, along each side.
  int64_t vae_scale_factor = 8;
  /// A float tensor with so many channels is taken to be latents and left as it is.
  int64_t vae_latent_channels = 4;
  Resampling resample = Resampling::kLanczos;
  /// Whether the range is −1…1, or 0…1.
  bool do_normalize = true;
  /// Whether values from ½ become 1, and others 0.
  bool do_binarize = false;
  bool do_convert_rgb = false;
  bool do_convert_grayscale = false;

  /// That of the inpainting pipelines for masks: grey, 0 or 1, which is 1 where the picture is to
  /// be painted. They are resized by `kLanczos` before they become grey and binary.
  static VaeImageProcessorConfig for_masks(int64_t vae_scale_factor);
};

/// Brings pictures into the form of a VAE's input, and its output into pictures.
///
/// A picture is uint8 `[height, width, channels]`, 0…255, as `load_image` reads it; a float tensor
/// is `[B, C, H, W]` in 0…1. Of the original's resize modes it has the default one, which keeps no
/// aspect ratio; `reducing_gap`, cropping and overlays are left out.
///
/// Reference: diffusers 0.42.1, image_processor.py.
class XATTN_API VaeImageProcessor {
 public:
  using Config = VaeImageProcessorConfig;

  using Size = std::optional<int64_t>;
  struct HeightAndWidth {
    int64_t height = 0;
    int64_t width = 0;
  };

  /// Throws: `ValueError` for RGB and greyscale together, and for factors below 1.
  explicit VaeImageProcessor(VaeImageProcessorConfig config = {});

  const VaeImageProcessorConfig& config() const { return config_; }

  /// `height` and `width`, or those of `image`, a picture or a float tensor `[B, C, H, W]`; rounded
  /// down to multiples of `vae_scale_factor`. Throws: `ValueError` where that is 0.
  HeightAndWidth get_default_height_width(const at::Tensor& image, Size height = std::nullopt,
                                          Size width = std::nullopt) const;

  /// Pictures or float tensors to one float tensor `[B, C, H, W]`: resized, made RGB or grey as the
  /// config says, in −1…1, or 0…1 without `do_normalize`. The size is `get_default_height_width` of
  /// the first.
  ///
  /// Pictures, uint8 `[h, w, c]`: resized by `resample`, and divided by 255; float32 on the CPU.
  /// All have one number of channels, and one size unless they are resized.
  ///
  /// Float tensors, each `[b, C, h, w]`, or `[C, h, w]`; with `do_convert_grayscale` also `[h, w]`,
  /// and a single `[b, h, w]`. They keep dtype and device, and are resized to the nearest pixel.
  /// Two rules of the original: a tensor with `vae_latent_channels` channels is returned as it is,
  /// and one with a value below 0 is taken to be in −1…1 already.
  ///
  /// Throws: `ValueError` for no images, for pictures among float tensors, for other dtypes and
  /// shapes, and for sizes that round down to 0.
  at::Tensor preprocess(const std::vector<at::Tensor>& images, Size height = std::nullopt,
                        Size width = std::nullopt) const;
  at::Tensor preprocess(const at::Tensor& image, Size height = std::nullopt,
                        Size width = std::nullopt) const;

  /// A VAE's output `[B, C, H, W]` to pictures, uint8 `[H, W, C]` on the CPU: the original's "pil".
  /// x becomes round(255 · clamp(x / 2 + ½, 0, 1)), halves to even; not a number becomes 0.
  ///
  /// `do_denormalize` says for each picture whether it is in −1…1; without it, `do_normalize` does.
  /// What is in 0…1 already is only clamped.
  ///
  /// Throws: `ValueError` unless the tensor is floating-point, with 1 to 4 channels, and where
  /// `do_denormalize` has another length.
  std::vector<at::Tensor> postprocess(
      const at::Tensor& image,
      const std::optional<std::vector<bool>>& do_denormalize = std::nullopt) const;

  /// As `postprocess`, but a float tensor `[B, C, H, W]` in 0…1: the original's "pt".
  at::Tensor postprocess_to_tensor(
      const at::Tensor& image,
      const std::optional<std::vector<bool>>& do_denormalize = std::nullopt) const;

  /// 0…1 to −1…1.
  static at::Tensor normalize(const at::Tensor& images);
  /// −1…1 to 0…1, clamped.
  static at::Tensor denormalize(const at::Tensor& images);

 private:
  HeightAndWidth rounded_down(int64_t height, int64_t width) const;
  at::Tensor preprocess_pictures(const std::vector<at::Tensor>& pictures, Size height,
                                 Size width) const;
  at::Tensor preprocess_tensor(const at::Tensor& images, Size height, Size width) const;
  at::Tensor in_range(const at::Tensor& images) const;

  VaeImageProcessorConfig config_;
};

}  // namespace xattn
