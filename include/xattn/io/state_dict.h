#pragma once

#include <ATen/core/Tensor.h>
#include <torch/ordered_dict.h>

#include <concepts>
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
/// The tensors are the module's own: they change when the module does. A parameter that is not
/// there, such as the bias of a layer without one, has no key.
StateDict state_dict(const torch::nn::Module& module);

/// What `load_state_dict` found to differ between a module and the tensors for it.
struct LoadReport {
  /// A key that both have, whose tensors differ in shape or dtype.
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

/// Options of `load_state_dict`.
struct LoadOptions {
  /// Whether missing and unexpected keys are errors; Python's `strict`.
  bool strict = true;
  /// Whether another floating-point dtype is an error too, and not converted.
  bool strict_dtype = false;
};

/// Copies tensors into the parameters and buffers of the same key.
///
/// The parameters keep their dtype, their device and their `requires_grad`.
///
/// Dtype: floating-point tensors are converted to the parameters' dtype, as in Python. Python
/// converts all others too, where it may lose values without a word; here an integer, boolean or
/// complex tensor must have the parameter's dtype.
///
/// Throws: `StateDictError`, which names the first ten problems and the number of the rest; the
/// module is then as it was. Other shapes are always refused. With `strict = false` missing and
/// unexpected keys are only named in the report, as in Python.
///
/// Reference: torch 2.13.0, torch/nn/modules/module.py, `Module.load_state_dict`.
LoadReport load_state_dict(torch::nn::Module& module, const StateDict& tensors,
                           const LoadOptions& options = {});

/// As above. Only a `bool` is taken, so that `{}` means the default options.
template <std::same_as<bool> Bool>
LoadReport load_state_dict(torch::nn::Module& module, const StateDict& tensors, Bool strict) {
  return load_state_dict(module, tensors, LoadOptions{.strict = strict});
}

}  // namespace xattn
