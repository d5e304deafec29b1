#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "xattn/ops/plan.h"

namespace xattn::apps {

/// A layer's product by ours and by LibTorch's, of the same tensors.
struct LayerPair {
  std::function<at::Tensor()> ours, theirs;
};

/// A layer of Stable Diffusion: "Linear ROWSxIN->OUT", "Conv2d BxCxHxW->OUT", and with the channels
/// of a pixel side by side "Conv2d 1x1 BxCxHxW->OUT", "GroupNorm BxCxHxW", "GroupNorm+SiLU
/// BxCxHxW"; "SelfAttention BxHxNxD" without its projections.
struct LayerCase {
  std::string name;
  std::function<LayerPair()> make;
};

/// `linear` and self attention of 1.5, 2 and XL; 3×3 and 1×1 `conv2d` and `group_norm` of 1.5 and
/// of its autoencoder's decoder.
std::vector<LayerCase> layer_cases();

/// Times ours, by the algorithms of a plan, beside LibTorch's: the ratio is the median of the
/// rounds'.
nlohmann::ordered_json measure_layer(const LayerCase& test, int rounds, const Plan& known);

/// Times each algorithm that a layer may take, unless it is known.
Plan tune_layer(const LayerCase& test, const Plan& known);

}  // namespace xattn::apps
