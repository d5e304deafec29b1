#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

#include <memory>
#include <utility>
#include <vector>

#include "xattn/nn/gradient_checkpoint.h"

namespace xattn {

/// `layer->forward(inputs…)`, all of which are tensors; computed again in backward where the block
/// that calls it says so.
template <typename Layer, typename... Tensors>
at::Tensor run_layer(const GradientCheckpointing& block, const std::shared_ptr<Layer>& layer,
                     Tensors&&... inputs) {
  if (!block.gradient_checkpointing || !c10::GradMode::is_enabled())
    return layer->forward(std::forward<Tensors>(inputs)...);
  // The layer is kept by what it is handed to.
  return gradient_checkpoint(layer,
                             [layer = layer.get()](const std::vector<at::Tensor>& tensors) {
                               return [&]<size_t... Index>(std::index_sequence<Index...>) {
                                 return layer->forward(tensors[Index]...);
                               }
                               (std::index_sequence_for<Tensors...>());
                             },
                             {inputs...});
}

}  // namespace xattn
