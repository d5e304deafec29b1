#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>

#include "xattn/core/export.h"
#include "xattn/models/unet_2d_condition/unet_2d_condition_model.h"
#include "xattn/schedulers/noise_scheduler.h"

namespace xattn {

/// What the UNet learns to say of a noisy latent.
enum class PredictionType {
  /// The noise ε.
  kEpsilon,
  /// v = √ᾱ · noise − √(1 − ᾱ) · latent.
  kVPrediction,
  /// The latent without noise.
  kSample
};

/// The type of a scheduler's `prediction_type`: "epsilon", "v_prediction" or "sample".
///
/// Throws: `ValueError` for another name.
XATTN_API PredictionType prediction_type(const std::string& name);

/// How noise is drawn for training.
struct DiffusionNoiseOptions {
  /// By how much the noise of each picture and channel is shifted as a whole, so that very dark and
  /// bright pictures are learned; 0 for not at all, 0.1 in the literature.
  double noise_offset = 0;
  /// How much noise is added to the noise that the UNet sees, but not to what it learns; arXiv
  /// 2301.11706.
  double input_perturbation = 0;
};

/// What one step of training draws.
struct DiffusionNoise {
  /// `[B, C, H, W]`: what the UNet learns of.
  at::Tensor noise;
  /// The same, or with `input_perturbation` noise and more: what is added to the latents.
  at::Tensor added_noise;
  /// `[B]`, int64.
  at::Tensor timesteps;
};

/// Draws noise and timesteps for latents, in the order of diffusers' script: noise, its offset, its
/// perturbation, timesteps.
///
/// `generator`: torch's own where none is given; noise is drawn on its device, and moved. Noise has
/// the latents' dtype and device.
///
/// Reference: diffusers 0.42.1, examples/text_to_image/train_text_to_image.py.
XATTN_API DiffusionNoise
draw_diffusion_noise(const at::Tensor& latents, int64_t num_train_timesteps,
                     const DiffusionNoiseOptions& options = {},
                     const std::optional<at::Generator>& generator = std::nullopt);

/// What the loss of a step is computed from.
struct DiffusionBatch {
  /// `[B, C, H, W]`: of the pictures, scaled as the UNet takes them (`encode_latents`).
  at::Tensor latents;
  DiffusionNoise noise = {};
  /// `[B, T, E]`.
  at::Tensor encoder_hidden_states = {};
  /// What some UNets take besides.
  UNet2DConditionArguments arguments = {};
};

/// What the loss is.
struct DiffusionLossOptions {
  PredictionType prediction_type = PredictionType::kEpsilon;
  /// γ of min-SNR weights, 5 in the literature; none weighs all timesteps alike.
  std::optional<double> snr_gamma = std::nullopt;
};

/// How far the UNet is from what it learns: the mean squared error, computed in float32.
///
/// loss = mean_b w_b · mean |UNet(√ᾱ · latent + √(1 − ᾱ) · added_noise, t, text) − target|², where
/// w = 1, or with γ: min(SNR, γ) / SNR for ε, min(SNR, γ) / (SNR + 1) for v, min(SNR, γ) for the
/// sample; arXiv 2303.09556.
///
/// Returns: a float32 scalar with a gradient.
///
/// Throws: `ValueError` as the UNet does, and for noise and timesteps of other shapes.
///
/// Reference: diffusers 0.42.1, examples/text_to_image/train_text_to_image.py, which does not know
/// the sample; `compute_snr` of the last timestep of a schedule with `rescale_betas_zero_snr` is 0,
/// so that γ with ε gives NaN there, as it does in the script.
XATTN_API at::Tensor diffusion_loss(const UNet2DConditionModel& unet,
                                    const AlphaScheduler& scheduler, const DiffusionBatch& batch,
                                    const DiffusionLossOptions& options = {});

}  // namespace xattn
