#include "xattn/models/autoencoder_kl/diagonal_gaussian_distribution.h"

#include <torch/types.h>
#include <torch/utils.h>

#include <cmath>
#include <numbers>

#include "core/check.h"

namespace xattn {
namespace {

constexpr double kLowestLogvar = -30, kHighestLogvar = 20;
// All but the batch, as the original sums.
const std::vector<int64_t> kElements = {1, 2, 3};

}  // namespace

DiagonalGaussianDistribution::DiagonalGaussianDistribution(const at::Tensor& parameters_,
                                                           bool deterministic_)
    : parameters(parameters_), deterministic(deterministic_) {
  if (!parameters.defined() || parameters.dim() < 2 || parameters.size(1) % 2 != 0) {
    throw_value_error(
        "DiagonalGaussianDistribution", "parameters", "[B, 2C, …]",
        parameters.defined() ? shape_text(parameters.sizes()) : "an undefined tensor");
  }
  const auto halves = parameters.chunk(2, 1);
  mean = halves[0];
  logvar = halves[1].clamp(kLowestLogvar, kHighestLogvar);
  std = deterministic ? torch::zeros_like(mean) : torch::exp(0.5 * logvar);
  var = deterministic ? std : torch::exp(logvar);
}

at::Tensor DiagonalGaussianDistribution::sample(
    const std::optional<at::Generator>& generator) const {
  const auto device = generator && generator->defined() ? generator->device() : mean.device();
  const auto noise =
      torch::randn(mean.sizes(), generator, mean.options().requires_grad(false).device(device));
  return mean + std * noise.to(mean.device());
}

at::Tensor DiagonalGaussianDistribution::kl() const {
  if (deterministic) return torch::zeros({1});
  return 0.5 * (mean.pow(2) + var - 1.0 - logvar).sum(kElements);
}

at::Tensor DiagonalGaussianDistribution::kl(const DiagonalGaussianDistribution& other) const {
  if (deterministic) return torch::zeros({1});
  const auto terms =
      (mean - other.mean).pow(2) / other.var + var / other.var - 1.0 - logvar + other.logvar;
  return 0.5 * terms.sum(kElements);
}

at::Tensor DiagonalGaussianDistribution::nll(const at::Tensor& sample,
                                             const std::vector<int64_t>& dims) const {
  if (deterministic) return torch::zeros({1});
  const auto log_two_pi = std::log(2 * std::numbers::pi);
  return 0.5 * (log_two_pi + logvar + (sample - mean).pow(2) / var).sum(dims);
}

}  // namespace xattn
