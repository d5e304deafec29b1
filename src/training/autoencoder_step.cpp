#include "xattn/training/autoencoder_step.h"

#include "core/check.h"
#include "xattn/core/autocast.h"

namespace xattn {
namespace {

AutoencoderLoss loss_of(const AutoencoderKL& model, const at::Tensor& images,
                        const AutoencoderOptions& options) {
  check_shape("autoencoder_step", "images", images, {"B", "C", "H", "W"});
  std::optional<Autocast> autocast;
  if (options.autocast) autocast.emplace(images.device().type(), *options.autocast);
  return autoencoder_loss(model, images, options.loss, options.generator);
}

}  // namespace

AutoencoderStepResult autoencoder_step(OptimizerStep& step, const AutoencoderKL& model,
                                       const at::Tensor& images,
                                       const AutoencoderOptions& options) {
  auto parts = loss_of(model, images, options);
  AutoencoderStepResult result{.step = step(parts.loss), .parts = {}};
  const auto value_of = [](const at::Tensor& part) {
    return part.defined() ? part.detach() : part;
  };
  result.parts = {.loss = value_of(parts.loss),
                  .reconstruction = value_of(parts.reconstruction),
                  .edges = value_of(parts.edges),
                  .kl = value_of(parts.kl)};
  return result;
}

}  // namespace xattn
