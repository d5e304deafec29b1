#pragma once

#include <c10/core/GradMode.h>
#include <torch/nn/cloneable.h>
#include <torch/types.h>

#include <memory>
#include <optional>
#include <utility>

#include "xattn/core/export.h"

namespace xattn {

/// Keeps the weights of every `Linear` and `Conv2d` of a module in float16 or bfloat16, where it
/// computes in float32: half the memory, on the CPU.
///
/// Weights are widened as they are packed for the products. All else stays float32: arithmetic,
/// inputs, outputs, biases, norms, embeddings. So the outputs are those in float32 of a model whose
/// weights were rounded once; weights that came from a file of the same type are not rounded at
/// all. `from_pretrained` with `weights_dtype` loads a model so.
///
/// The module is for inference: `forward` refuses to record a gradient of such a weight (use
/// `torch::NoGradGuard`, or `requires_grad_(false)` where gradients of inputs are wanted). Its
/// clones are stored alike, and what saves it writes the weights as they are stored. `to(dtype)`
/// makes all of it of one type again; `to` and `clone` refuse another device.
///
/// Throws: `ValueError` for another dtype, and where a parameter or buffer is not float32 on the
/// CPU; the module is then as it was.
XATTN_API void store_weights(torch::nn::Module& module, at::ScalarType dtype);

/// A tensor of the dtype and device that inputs of this module have: one of its weights or, where
/// those are stored narrower, an empty one. Undefined where the module has no parameters.
XATTN_API torch::Tensor inputs_like(const torch::nn::Module& module);

namespace detail {

[[noreturn]] XATTN_API void throw_stored_off_cpu(const torch::Tensor& weight, at::Device device);
[[noreturn]] XATTN_API void throw_stored_gradient(const torch::Tensor& weight);

/// What `Linear` and `Conv2d` share: the weight, which may be stored narrower than inputs are.
template <typename Derived>
class XATTN_API StoredWeight : public torch::nn::Cloneable<Derived> {
  using Module = torch::nn::Module;
  using Base = torch::nn::Cloneable<Derived>;

 public:
  using Base::Base;

  /// What inputs are multiplied with: `weight` itself, which may be stored in float16 or bfloat16
  /// beside inputs of float32. Whoever multiplies with it, by whatever path, asks for it here.
  ///
  /// Throws: `ValueError` where it is stored so and a gradient of it would be recorded.
  torch::Tensor effective_weight() const {
    if (is_stored() && c10::GradMode::is_enabled() && weight.requires_grad()) {
      throw_stored_gradient(weight);
    }
    return weight;
  }

  /// A tensor of the dtype and device that inputs have.
  const torch::Tensor& inputs_like() const { return is_stored() ? inputs_like_ : weight; }

  /// Makes `narrow`, of float16 or bfloat16, the weight of a layer for inputs of float32.
  void store_weight(const torch::Tensor& narrow) {
    inputs_like_ = torch::empty({0}, torch::kFloat);
    weight.set_data(narrow);
  }

  void to(at::Device device, at::ScalarType dtype, bool non_blocking = false) override {
    inputs_like_.reset();
    Module::to(device, dtype, non_blocking);
  }
  void to(at::ScalarType dtype, bool non_blocking = false) override {
    inputs_like_.reset();
    Module::to(dtype, non_blocking);
  }
  void to(at::Device device, bool non_blocking = false) override {
    check_device(device);
    Module::to(device, non_blocking);
  }

  std::shared_ptr<Module> clone(
      const std::optional<at::Device>& device = std::nullopt) const override {
    if (device) check_device(*device);
    return Base::clone(device);
  }

  torch::Tensor weight;

 private:
  bool is_stored() const { return inputs_like_.defined(); }

  void check_device(at::Device device) const {
    if (is_stored() && !device.is_cpu()) throw_stored_off_cpu(weight, device);
  }

  /// Undefined where inputs are as the weight.
  torch::Tensor inputs_like_;
};

}  // namespace detail
}  // namespace xattn
