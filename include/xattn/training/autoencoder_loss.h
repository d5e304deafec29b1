#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

#include "xattn/core/export.h"
#include "xattn/models/autoencoder_kl/autoencoder_kl.h"

namespace xattn {

/// How pictures are compared.
enum class ReconstructionLoss { kL1, kL2 };

/// What an autoencoder's loss is made of.
struct AutoencoderLossOptions {
  ReconstructionLoss reconstruction = ReconstructionLoss::kL1;
  /// Of the differences between neighbouring pixels: what keeps edges sharp.
  double edge_weight = 0;
  /// Of the divergence from the standard normal distribution: what keeps latents in range. Small,
  /// as the pictures matter more.
  double kl_weight = 1e-6;
};

/// The loss and its parts before they are weighed: float32 scalars.
struct AutoencoderLoss {
  at::Tensor loss;
  at::Tensor reconstruction;
  /// Undefined without `edge_weight`.
  at::Tensor edges;
  at::Tensor kl;
};

/// How far an autoencoder's pictures are from what they were made of.
///
/// With y = decode(z), z = mean + std · noise drawn from encode(x):
/// loss = mean |y − x| (or (y − x)²)
///      + edge_weight · (mean |∂_h y − ∂_h x| + mean |∂_w y − ∂_w x|)
///      + kl_weight · mean (mean² + std² − 1 − log std²) / 2,
/// where ∂ is a pixel less its neighbour, and the last mean is over all elements of the latents.
///
/// Shapes: images `[B, in_channels, H, W]`, H and W multiples of the latent's factor.
///
/// Units: images are from −1 to 1; latents are not scaled.
///
/// `generator`: draws the noise on its device; torch's own where none is given.
///
/// Throws: `ValueError` as the model does, and for pictures whose reconstruction has another shape.
XATTN_API AutoencoderLoss
autoencoder_loss(const AutoencoderKL& model, const at::Tensor& images,
                 const AutoencoderLossOptions& options = {},
                 const std::optional<at::Generator>& generator = std::nullopt);

}  // namespace xattn
