#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <vector>

#include "xattn/core/export.h"

namespace torch::nn {
class Module;
}

namespace xattn {

/// What modules have whose layers can be computed again for their gradients.
struct GradientCheckpointing {
  /// Whether each layer keeps its inputs alone and is computed again in backward: less memory, more
  /// time, the same gradients. Configuration, as in the original: clone() copies it, files do not
  /// hold it. Of no effect where no gradient is recorded.
  bool gradient_checkpointing = false;
};

/// Sets `gradient_checkpointing` of a module and of all modules in it that have it.
///
/// Throws: `ValueError` where none has it.
XATTN_API void set_gradient_checkpointing(torch::nn::Module& module, bool enable);

/// Whether any of them has it set.
XATTN_API bool is_gradient_checkpointing(const torch::nn::Module& module);

/// A layer's forward as a function of all tensors that it needs gradients for, but its parameters.
using CheckpointedFunction = std::function<at::Tensor(const std::vector<at::Tensor>& inputs)>;

/// Computes `forward(inputs)`, keeping none of its intermediate results: backward computes it once
/// more from the inputs.
///
/// The second time it has the first one's random numbers (dropout) and autocast mode. Gradients
/// reach the inputs and the module's parameters, as without this; also where no input needs any,
/// and also by `torch::autograd::grad`, both unlike the original's `use_reentrant=True`.
///
/// Each gradient is the same to the bit but for one thing: where an input has other uses outside of
/// the layer, its gradients are summed in another order.
///
/// Shapes: any; an undefined input is handed on as it is. The module is kept until backward.
///
/// Throws: `ValueError` in a backward that asks for gradients of gradients (`create_graph`).
///
/// Reference: torch 2.13.0, torch/utils/checkpoint.py, `checkpoint`.
XATTN_API at::Tensor gradient_checkpoint(std::shared_ptr<torch::nn::Module> module,
                                         CheckpointedFunction forward,
                                         const std::vector<at::Tensor>& inputs);

}  // namespace xattn
