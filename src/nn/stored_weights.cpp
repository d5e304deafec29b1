#include "xattn/nn/stored_weights.h"

#include <torch/utils.h>

#include "core/check.h"
#include "nn/stored_weights.h"
#include "xattn/nn/conv2d.h"
#include "xattn/nn/linear.h"

namespace xattn {
namespace {

constexpr auto kStoreWeights = "store_weights";

void check_is_float_on_cpu(const std::string& name, const torch::Tensor& tensor) {
  if (!tensor.is_floating_point() || (tensor.scalar_type() == at::kFloat && tensor.is_cpu()))
    return;
  throw_value_error(kStoreWeights, name, "float32 on cpu",
                    dtype_text(tensor.scalar_type()) + " on " + tensor.device().str());
}

/// Calls `work` with every layer of the module that has a `StoredWeight`.
template <typename Work>
void for_each_layer(torch::nn::Module& module, const Work& work) {
  module.apply([&](torch::nn::Module& each) {
    if (auto* linear = dynamic_cast<LinearImpl*>(&each)) work(*linear);
    if (auto* conv = dynamic_cast<Conv2dImpl*>(&each)) work(*conv);
  });
}

}  // namespace

bool can_store_weights_in(at::ScalarType dtype) {
  return dtype == at::kHalf || dtype == at::kBFloat16;
}

void store_weights(torch::nn::Module& module, at::ScalarType dtype) {
  if (!can_store_weights_in(dtype)) {
    throw_value_error(kStoreWeights, "dtype", "float16 or bfloat16", dtype_text(dtype));
  }
  for (const auto& item : module.named_parameters())
    check_is_float_on_cpu(item.key(), item.value());
  for (const auto& item : module.named_buffers()) check_is_float_on_cpu(item.key(), item.value());
  const torch::NoGradGuard no_grad;
  for_each_layer(module, [&](auto& layer) { layer.store_weight(layer.weight.to(dtype)); });
}

void allocate_stored_weights(torch::nn::Module& module, at::ScalarType dtype) {
  for_each_layer(
      module, [&](auto& layer) { layer.store_weight(torch::empty(layer.weight.sizes(), dtype)); });
}

torch::Tensor inputs_like(const torch::nn::Module& module) {
  if (const auto* linear = dynamic_cast<const LinearImpl*>(&module)) return linear->inputs_like();
  if (const auto* conv = dynamic_cast<const Conv2dImpl*>(&module)) return conv->inputs_like();
  for (const auto& parameter : module.parameters(/*recurse=*/false)) {
    if (parameter.is_floating_point()) return parameter;
  }
  for (const auto& child : module.children()) {
    if (auto found = inputs_like(*child); found.defined()) return found;
  }
  return {};
}

namespace detail {

void throw_stored_off_cpu(const torch::Tensor& weight, at::Device device) {
  throw_value_error(kStoreWeights, "device",
                    "cpu, for a weight that is stored as " + dtype_text(weight.scalar_type()) +
                        " (to(device, dtype) makes the module one of one type)",
                    device.str());
}

void throw_stored_gradient(const torch::Tensor& weight) {
  throw_value_error(kStoreWeights, "weight",
                    "no gradient wanted of one that is stored as " +
                        dtype_text(weight.scalar_type()) +
                        " (NoGradGuard, or requires_grad_(false))",
                    "one that requires it");
}

}  // namespace detail
}  // namespace xattn
