#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "xattn/core/export.h"

namespace xattn {

/// Gives a guided prediction the standard deviation of the one that follows the text, by a part:
/// r · (noise_cfg · σ(noise_pred_text) / σ(noise_cfg)) + (1 − r) · noise_cfg.
///
/// Shapes: both `[B, C, H, W]`; σ is over all but B.
///
/// Reference: "Common Diffusion Noise Schedules and Sample Steps are Flawed", 3.4; diffusers
/// 0.42.1, pipelines/stable_diffusion/pipeline_stable_diffusion.py, `rescale_noise_cfg`.
XATTN_API at::Tensor rescale_noise_cfg(const at::Tensor& noise_cfg,
                                       const at::Tensor& noise_pred_text, double guidance_rescale);

/// The guidance scale as distilled models read it, the `timestep_cond` of a UNet with
/// `time_cond_proj_dim`: sines and cosines of 1000 · w, w = guidance_scale − 1.
///
/// Shapes: w `[B]`; returns `[B, embedding_dim]`, float32.
///
/// Throws: `ValueError` for an `embedding_dim` below 4.
///
/// Reference: diffusers 0.42.1, pipelines/stable_diffusion/pipeline_stable_diffusion.py,
/// `get_guidance_scale_embedding`.
XATTN_API at::Tensor guidance_scale_embedding(const at::Tensor& w, int64_t embedding_dim);

}  // namespace xattn
