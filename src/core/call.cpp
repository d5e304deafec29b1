#include "core/call.h"

#include <fmt/format.h>
#include <torch/nn/module.h>

#include <optional>

namespace xattn {
namespace {

thread_local const Call* innermost = nullptr;

/// The dotted name of a module inside another; nothing where it is not one of its submodules.
std::optional<std::string> path_of(const torch::nn::Module& module,
                                   const torch::nn::Module& inside) {
  for (const auto& child : inside.named_children()) {
    if (child.value().get() == &module) return child.key();
    if (const auto rest = path_of(module, *child.value())) return child.key() + "." + *rest;
  }
  return std::nullopt;
}

}  // namespace

Call::Call(const torch::nn::Module& module, std::string_view class_name)
    : module_(module),
      class_name_(class_name),
      caller_(innermost),
      is_inner_(caller_ && (caller_->is_inner_ || &caller_->module_ != &module)) {
  innermost = this;
}

Call::~Call() {
  innermost = caller_;
}

bool Call::is_inner() {
  return innermost && innermost->is_inner_;
}

std::string Call::error_start(std::string_view place) {
  if (is_inner()) {
    const auto* outermost = innermost;
    while (outermost->caller_) outermost = outermost->caller_;
    if (const auto path = path_of(innermost->module_, outermost->module_))
      return fmt::format("[{}] {}: ", outermost->class_name_, *path);
  }
  return fmt::format("[{}] ", place);
}

}  // namespace xattn
