#include "xattn/training/autoencoder_loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/diff.h>
#include <ATen/ops/l1_loss.h>
#include <ATen/ops/mse_loss.h>

#include "core/check.h"

namespace xattn {
namespace {

/// The mean absolute difference of what changes along a dimension.
at::Tensor edge_loss(const at::Tensor& y, const at::Tensor& x, int64_t dim) {
  return at::l1_loss(at::diff(y, 1, dim), at::diff(x, 1, dim));
}

}  // namespace

AutoencoderLoss autoencoder_loss(const AutoencoderKL& model, const at::Tensor& images,
                                 const AutoencoderLossOptions& options,
                                 const std::optional<at::Generator>& generator) {
  const auto posterior = model.ptr()->encode(images);
  const auto decoded = model.ptr()->decode(posterior.sample(generator)).to(at::kFloat);
  const auto expected = images.to(at::kFloat);
  check_shape("autoencoder_loss", "the reconstruction", decoded,
              {images.size(0), images.size(1), images.size(2), images.size(3)});
  AutoencoderLoss found;
  found.reconstruction = options.reconstruction == ReconstructionLoss::kL1
                             ? at::l1_loss(decoded, expected)
                             : at::mse_loss(decoded, expected);
  found.loss = found.reconstruction;
  if (options.edge_weight != 0) {
    // One after the other: operands have no order, and sums of gradients have one.
    const auto down = edge_loss(decoded, expected, 2);
    const auto across = edge_loss(decoded, expected, 3);
    found.edges = down + across;
    found.loss = found.loss + options.edge_weight * found.edges;
  }
  const auto elements = static_cast<double>(posterior.mean.numel());
  found.kl = posterior.kl().to(at::kFloat).sum() / elements;
  found.loss = found.loss + options.kl_weight * found.kl;
  return found;
}

}  // namespace xattn
