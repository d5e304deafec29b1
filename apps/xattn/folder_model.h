#pragma once

#include <torch/nn/module.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "xattn/io/state_dict.h"
#include "xattn/pretrained/any_model.h"

namespace xattn::apps {

/// A function of a model: tensors named as its arguments in, tensors named as the original's
/// outputs out.
struct Method {
  std::string name;
  /// Arguments that must be given; "a|b" is one that has two names.
  std::vector<std::string> required;
  /// Those that may be; "a.#" is a list: a.0, a.1, …
  std::vector<std::string> optional;
  std::function<StateDict(const StateDict&)> call;
};

/// A model from a folder that Python's `save_pretrained` wrote.
struct FolderModel {
  explicit FolderModel(AnyModel any);

  AnyModel model;
  std::string class_name;
  std::shared_ptr<torch::nn::Module> module;
  /// The first is the one that is meant where none is named.
  std::vector<Method> methods;
};

/// The method of that name; the first for "".
///
/// Throws: `UsageError` for another.
const Method& method_of(const FolderModel& model, const std::string& name);

/// Calls a method. Floating-point tensors are brought to the model's dtype, all to its device.
///
/// Throws: `ValueError`, which names `file`, where the tensors are not the method's arguments.
StateDict call_method(const FolderModel& model, const Method& method, const std::string& file,
                      const StateDict& inputs);

/// "UNet2DConditionModel": the name of a module's class, without namespace and `Impl`.
std::string class_name_of(const torch::nn::Module& module);

}  // namespace xattn::apps
