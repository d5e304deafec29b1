#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <optional>

#include "xattn/core/export.h"
#include "xattn/models/clip/clip_text_model.h"
#include "xattn/models/unet_2d_condition/unet_2d_condition_model.h"
#include "xattn/schedulers/noise_scheduler.h"
#include "xattn/training/diffusion_loss.h"
#include "xattn/training/optimizer_step.h"

namespace xattn {

/// How a UNet, and perhaps its text encoder, are trained.
struct TextToImageOptions {
  DiffusionNoiseOptions noise = {};
  DiffusionLossOptions loss = {};
  /// How many of the captions are replaced by `empty_caption`: 0.1 in the literature.
  double caption_dropout = 0;
  /// `[T]` ids of the empty text, or `[T, E]` its features where batches hold features.
  at::Tensor empty_caption = {};
  /// The dtype of mixed precision, bfloat16 on a CPU; none for what the caller has (`Autocast`).
  std::optional<at::ScalarType> autocast = std::nullopt;
  /// Draws everything; torch's own where none is given.
  std::optional<at::Generator> generator = std::nullopt;
};

/// What is trained: all parameters of the two that require a gradient.
struct TextToImageModels {
  UNet2DConditionModel unet;
  /// Null where batches hold the text's features.
  CLIPTextModel text_encoder;
  const AlphaScheduler& scheduler;
};

/// Pictures and captions of a step.
struct TextToImageBatch {
  /// `[B, C, H, W]`: of the pictures, scaled (`encode_latents`).
  at::Tensor latents;
  /// `[B, T]` ids, or without a text encoder `[B, T, E]` features.
  at::Tensor captions;
};

/// The loss of a batch: draws noise, timesteps and dropped captions, and lets the models compute.
///
/// Draws in this order: those of `draw_diffusion_noise`, then with `caption_dropout` one number for
/// each caption.
///
/// Returns: a float32 scalar with a gradient.
///
/// Throws: `ValueError` as the parts do, and for a dropout without an empty caption.
XATTN_API at::Tensor text_to_image_loss(const TextToImageModels& models,
                                        const TextToImageBatch& batch,
                                        const TextToImageOptions& options = {});

/// One step of training, or with gradient accumulation a part of one: the loss of a batch, and what
/// follows from it.
XATTN_API OptimizerStepResult text_to_image_step(OptimizerStep& step,
                                                 const TextToImageModels& models,
                                                 const TextToImageBatch& batch,
                                                 const TextToImageOptions& options = {});

}  // namespace xattn
