#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <initializer_list>

namespace xattn {

/// While it lives, this thread computes as for gradients though none are recorded: what is computed
/// again for its gradients must be the same to the bit the first time.
class ComputeAsForGradients {
 public:
  ComputeAsForGradients() { ++depth(); }
  ~ComputeAsForGradients() { --depth(); }
  ComputeAsForGradients(const ComputeAsForGradients&) = delete;
  ComputeAsForGradients& operator=(const ComputeAsForGradients&) = delete;

  static bool is_active() { return depth() > 0; }

 private:
  static int& depth() {
    static thread_local int depth = 0;
    return depth;
  }
};

/// Whether autograd is to see what is computed from these tensors, of which some may be undefined,
/// or will when it is computed again.
inline bool wants_gradient(std::initializer_list<at::Tensor> tensors) {
  if (ComputeAsForGradients::is_active()) return true;
  return c10::GradMode::is_enabled() &&
         std::any_of(tensors.begin(), tensors.end(), [](const at::Tensor& tensor) {
           return tensor.defined() && tensor.requires_grad();
         });
}

}  // namespace xattn
