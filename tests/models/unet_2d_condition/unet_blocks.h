#pragma once

#include <torch/nn/module.h>

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "support/model_golden.h"

namespace xattn::testing {

using Tensors = std::map<std::string, at::Tensor>;

/// A block of the UNet, made with the Python constructor's arguments, and how it is called with
/// named inputs.
struct Block {
  std::shared_ptr<torch::nn::Module> module;
  std::function<Tensors(const Tensors& inputs)> call;
};

/// Throws where no class has this name.
Block make_block(const std::string& name, const nlohmann::json& arguments);

}  // namespace xattn::testing
