#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <vector>

#include "xattn/core/export.h"
#include "xattn/models/autoencoder_kl/autoencoder_kl.h"

namespace xattn {

/// Standard normal noise, drawn as diffusers draws it: on the generator's device and moved from
/// there, and for each picture from its own generator where there are several.
///
/// `generators`: none (torch's own), one for all pictures, or one for each. Throws: `ValueError`
/// for another number of them.
///
/// Reference: diffusers 0.42.1, utils/torch_utils.py, `randn_tensor`.
XATTN_API at::Tensor randn_tensor(at::IntArrayRef shape,
                                  const std::vector<at::Generator>& generators,
                                  const at::TensorOptions& options);

/// What XL's pipelines do to latents and VAE beside the config's `scaling_factor`.
struct LatentRules {
  /// Whether the config's `latents_mean` and `latents_std` count.
  bool mean_and_std = false;
  /// Whether the config's `force_upcast` does: a VAE that overflows in float16 runs in float32.
  bool force_upcast = false;
};

/// The latents of pictures, as the UNet knows them: a sample of the encoder's distribution, scaled.
///
/// Shapes: image `[B, 3, H, W]`, −1 to 1; returns `[B, C, H / f, W / f]`, in the VAE's dtype.
///
/// `generators`: none, one, or at least one for each picture.
///
/// Reference: diffusers 0.42.1, pipelines/stable_diffusion/pipeline_stable_diffusion_img2img.py,
/// `prepare_latents`, and that of XL.
XATTN_API at::Tensor encode_latents(const AutoencoderKL& vae, const at::Tensor& image,
                                    const std::vector<at::Generator>& generators,
                                    LatentRules rules = {});

/// The pictures of latents.
///
/// Shapes: latents `[B, C, h, w]`, of any floating-point dtype and on any device; returns
/// `[B, 3, h · f, w · f]`, about −1 to 1, in the VAE's dtype and on its device.
///
/// Reference: diffusers 0.42.1, pipelines/stable_diffusion/pipeline_stable_diffusion.py,
/// `__call__`, and that of XL.
XATTN_API at::Tensor decode_latents(const AutoencoderKL& vae, const at::Tensor& latents,
                                    LatentRules rules = {});

/// How many pixels of a picture one of a latent stands for, along each side: 2^(levels − 1).
XATTN_API int64_t vae_scale_factor(const AutoencoderKL& vae);

/// A picture of a latent without the decoder: each of its pixels becomes one colour, by a linear
/// map that was fitted to the decoder once.
///
/// colour = weight · latent + bias.
class XATTN_API LatentPreview {
 public:
  /// Decodes a small latent of noise and fits the map to it. The noise has its own generator.
  explicit LatentPreview(const AutoencoderKL& vae, LatentRules rules = {});

  /// Shapes: latents `[B, C, h, w]`; returns `[B, h, w, 3]`, uint8 on the CPU.
  at::Tensor operator()(const at::Tensor& latents) const;

 private:
  /// `[C + 1, 3]`, the bias last.
  at::Tensor map_;
};

}  // namespace xattn
