#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "xattn/core/export.h"

namespace xattn {

/// A normal distribution with independent elements: what a VAE's encoder says of a latent.
///
/// parameters holds mean and logvar, one after the other along the channels; logvar is kept within
/// [−30, 20], std = exp(logvar / 2), var = exp(logvar).
///
/// Shapes: parameters `[B, 2C, …]`, all others `[B, C, …]`.
///
/// Throws: `ValueError` for parameters of fewer than two dimensions or an odd number of channels.
///
/// Reference: diffusers 0.42.1, models/autoencoders/vae.py, `DiagonalGaussianDistribution`.
class XATTN_API DiagonalGaussianDistribution {
 public:
  /// `deterministic`: std and var are zero.
  explicit DiagonalGaussianDistribution(const at::Tensor& parameters, bool deterministic = false);

  /// mean + std · noise; the noise is drawn by `generator`, on its device, or by torch's own.
  at::Tensor sample(const std::optional<at::Generator>& generator = std::nullopt) const;

  /// The mean.
  at::Tensor mode() const { return mean; }

  /// The Kullback–Leibler divergence from the standard normal distribution, `[B]`; `[0]` where
  /// deterministic.
  at::Tensor kl() const;
  /// The same from another distribution.
  at::Tensor kl(const DiagonalGaussianDistribution& other) const;

  /// The negative logarithm of a sample's likelihood, summed over `dims`; `[0]` where
  /// deterministic.
  at::Tensor nll(const at::Tensor& sample, const std::vector<int64_t>& dims = {1, 2, 3}) const;

  at::Tensor parameters;
  at::Tensor mean, logvar, std, var;
  bool deterministic;
};

}  // namespace xattn
