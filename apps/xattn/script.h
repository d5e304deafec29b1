#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace xattn::apps {

/// A TorchScript program, run by PyTorch's own interpreter. Loading and running it executes the
/// file.
class Script {
 public:
  explicit Script(const std::string& path);
  ~Script();

  /// What forward returns, or why it could not, in one line.
  std::variant<at::Tensor, std::string> run(const std::vector<at::Tensor>& inputs) const;

 private:
  struct Module;
  std::unique_ptr<Module> module_;
};

}  // namespace xattn::apps
