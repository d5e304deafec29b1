#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <optional>

#include "xattn/core/export.h"
#include "xattn/models/autoencoder_kl/autoencoder_kl.h"
#include "xattn/training/autoencoder_loss.h"
#include "xattn/training/optimizer_step.h"

namespace xattn {

/// How an autoencoder is trained.
struct AutoencoderOptions {
  AutoencoderLossOptions loss = {};
  /// The dtype of mixed precision, bfloat16 on a CPU; none for what the caller has (`Autocast`).
  std::optional<at::ScalarType> autocast = std::nullopt;
  /// Draws the latents; torch's own where none is given.
  std::optional<at::Generator> generator = std::nullopt;
};

/// What came of a batch of pictures.
struct AutoencoderStepResult {
  OptimizerStepResult step;
  /// The parts of the loss, without gradients.
  AutoencoderLoss parts;
};

/// One step of training, or with gradient accumulation a part of one: the loss of a batch of
/// pictures `[B, C, H, W]`, −1 to 1, and what follows from it.
///
/// Throws: as `autoencoder_loss` and `OptimizerStep` do.
XATTN_API AutoencoderStepResult autoencoder_step(OptimizerStep& step, const AutoencoderKL& model,
                                                 const at::Tensor& images,
                                                 const AutoencoderOptions& options = {});

}  // namespace xattn
