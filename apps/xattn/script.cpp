#include "script.h"

#include <c10/core/GradMode.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <exception>

#include "xattn/core/error.h"

namespace xattn::apps {
namespace {

/// The interpreter's errors are a trace of the program; their last line says what went wrong.
std::string last_line(std::string text) {
  text.erase(text.find_last_not_of(" \n") + 1);
  const auto start = text.rfind('\n');
  return start == std::string::npos ? text : text.substr(start + 1);
}

std::string reason(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  return last_line(torch_error ? torch_error->what_without_backtrace() : error.what());
}

}  // namespace

struct Script::Module {
  torch::jit::Module module;
};

Script::Script(const std::string& path) {
  try {
    module_ = std::make_unique<Module>(Module{torch::jit::load(path)});
  } catch (const std::exception& error) {
    throw FileError("[verify] " + path + ": PyTorch cannot load the program: " + reason(error));
  }
}

Script::~Script() = default;

std::variant<at::Tensor, std::string> Script::run(const std::vector<at::Tensor>& inputs) const {
  const c10::AutoGradMode no_grad(false);
  try {
    const auto output = module_->module.forward({inputs.begin(), inputs.end()});
    if (!output.isTensor()) return "forward returns " + output.tagKind() + ", not a tensor";
    return output.toTensor();
  } catch (const std::exception& error) {
    return reason(error);
  }
}

}  // namespace xattn::apps
