#pragma once

#include <ATen/core/Tensor.h>
#include <torch/ordered_dict.h>

#include <string>
#include <vector>

namespace torch::nn {
class Module;
}

namespace xattn {

/// Named tensors, in order: what Python calls a state_dict.
using StateDict = torch::OrderedDict<std::string, at::Tensor>;

/// The parameters and buffers of a module, with the keys and in the order of Python's
/// `state_dict()`.
///
/// The tensors are the module's own: they change when the module does. Parameters that are not
/// there, such as the bias of a layer without one, have no key.
StateDict state_dict(const torch::nn::Module& module);

/// What `load_state_dict` found to differ between a module and the tensors for it.
struct LoadReport {
  /// A key that both have, with another shape or dtype.
  struct Mismatch {
    std::string key;
    std::string expected;
    std::string got;
  };

  /// Keys of the module that the tensors lack.
  std::vector<std::string> missing;
  /// Keys of the tensors that the module lacks.
  std::vector<std::string> unexpected;
  std::vector<Mismatch> mismatched;
};

/// Copies tensors into the parameters and buffers of the same key.
///
/// The parameters keep their device and `requires_grad`; nothing is converted. As in Python,
/// `strict = false` tolerates missing and unexpected keys, which the report names, but not another
/// shape or dtype. Throws: `StateDictError`, which lists every problem at once; the module is then
/// as it was. Reference: torch 2.13.0, torch/nn/modules/module.py, `Module.load_state_dict`.
LoadReport load_state_dict(torch::nn::Module& module, const StateDict& tensors, bool strict = true);

}  // namespace xattn
