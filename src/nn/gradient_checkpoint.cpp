#include "xattn/nn/gradient_checkpoint.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/autocast_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>

#include "core/call.h"
#include "core/check.h"
#include "ops/gradient.h"
#include "xattn/core/autocast.h"

namespace xattn {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr auto kCheckpointPlace = "gradient_checkpoint";
constexpr auto kCheckpointedLayer = "layer";

/// The state of the default generators that a layer on a device may draw from.
class RandomState {
 public:
  explicit RandomState(at::Device device) {
    keep(at::globalContext().defaultGenerator(at::kCPU));
    if (!device.is_cpu()) keep(at::globalContext().defaultGenerator(device));
  }

  void restore() const {
    for (const auto& [generator, state] : states_) {
      auto of_torch = generator;
      const std::lock_guard lock(of_torch.mutex());
      of_torch.set_state(state);
    }
  }

 private:
  void keep(at::Generator generator) {
    const std::lock_guard lock(generator.mutex());
    const auto state = generator.get_state();
    states_.emplace_back(std::move(generator), state);
  }

  std::vector<std::pair<at::Generator, at::Tensor>> states_;
};

/// A layer that can be computed again.
struct CheckpointedLayer : torch::CustomClassHolder {
  CheckpointedLayer(std::shared_ptr<torch::nn::Module> module_, CheckpointedFunction forward_,
                    at::Device device_)
      : module(std::move(module_)),
        forward(std::move(forward_)),
        device(device_),
        random(device_),
        autocast_dtype(at::autocast::get_autocast_dtype(device_.type())),
        is_autocast(xattn::is_autocast(device_.type())) {}

  at::Tensor compute(const variable_list& defined_inputs) const {
    const ComputeAsForGradients as_for_gradients;
    // A parameter that is converted without gradients, as in the first pass, must not be found by
    // another layer: no cache.
    const Autocast autocast(device.type(), autocast_dtype, is_autocast, /*cache=*/false);
    // Inside of a model's call types follow PyTorch's rules; backward has none, so this stands for
    // it.
    const torch::nn::Module caller(kCheckpointPlace);
    const Call call(caller, kCheckpointPlace);
    std::vector<at::Tensor> inputs(defined.size());
    size_t next = 0;
    for (size_t i = 0; i < inputs.size(); ++i)
      if (defined[i]) inputs[i] = defined_inputs[next++];
    return forward(inputs);
  }

  std::shared_ptr<torch::nn::Module> module;
  CheckpointedFunction forward;
  at::Device device;
  RandomState random;
  at::ScalarType autocast_dtype;
  bool is_autocast;
  /// Which inputs there are.
  std::vector<bool> defined;
};

/// The parameters are inputs too: a gradient is theirs where no other input needs one, and the
/// engine hands it to them as to those of any other layer.
class CheckpointNode : public torch::autograd::Function<CheckpointNode> {
 public:
  static at::Tensor forward(AutogradContext* context,
                            const c10::intrusive_ptr<CheckpointedLayer>& layer,
                            const at::TensorList& inputs, const at::TensorList& parameters) {
    context->saved_data[kCheckpointedLayer] = at::IValue::make_capsule(layer);
    auto saved = inputs.vec();
    saved.insert(saved.end(), parameters.begin(), parameters.end());
    context->save_for_backward(std::move(saved));
    // An output of its own: a layer may return what it was given.
    return layer->compute(inputs.vec()).detach();
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    if (c10::GradMode::is_enabled())
      throw_value_error(kCheckpointPlace, "create_graph", "false", "true");
    const auto saved = context->get_saved_variables();
    const auto capsule = context->saved_data[kCheckpointedLayer].toCapsule();
    const auto& layer = static_cast<const CheckpointedLayer&>(*capsule);

    const auto inputs = std::count(layer.defined.begin(), layer.defined.end(), true);
    // A layer of its own graph: it ends at the inputs.
    variable_list leaves;
    for (int64_t i = 0; i < inputs; ++i) {
      const auto& input = saved[static_cast<size_t>(i)];
      leaves.push_back(input.detach().requires_grad_(input.requires_grad()));
    }
    const auto output = compute_again(layer, leaves);

    variable_list wanted, found(1 + saved.size());
    std::vector<size_t> places;
    for (size_t i = 0; i < saved.size(); ++i) {
      if (!context->needs_input_grad(i)) continue;
      wanted.push_back(i < leaves.size() ? leaves[i] : saved[i]);
      places.push_back(1 + i);  // the layer comes first
    }
    auto results = torch::autograd::grad({output}, wanted, gradients, /*retain_graph=*/std::nullopt,
                                         /*create_graph=*/false, /*allow_unused=*/true);
    for (size_t i = 0; i < results.size(); ++i) found[places[i]] = std::move(results[i]);
    return found;
  }

 private:
  static at::Tensor compute_again(const CheckpointedLayer& layer, const variable_list& leaves) {
    const c10::AutoGradMode record(true);
    const RandomState now(layer.device);
    layer.random.restore();
    try {
      auto output = layer.compute(leaves);
      now.restore();
      return output;
    } catch (...) {
      now.restore();
      throw;
    }
  }
};

template <typename Module, typename Function>
void for_each_checkpointing(Module& module, const Function& function) {
  for (const auto& each : module.modules())
    if (auto* layers = dynamic_cast<GradientCheckpointing*>(each.get())) function(*layers);
}

}  // namespace

void set_gradient_checkpointing(torch::nn::Module& module, bool enable) {
  bool any = false;
  for_each_checkpointing(module, [&](GradientCheckpointing& layers) {
    layers.gradient_checkpointing = enable;
    any = true;
  });
  if (!any) {
    throw_value_error("set_gradient_checkpointing", "module", "one with checkpointed layers",
                      module.name());
  }
}

bool is_gradient_checkpointing(const torch::nn::Module& module) {
  bool any = false;
  for_each_checkpointing(module, [&](const GradientCheckpointing& layers) {
    any = any || layers.gradient_checkpointing;
  });
  return any;
}

at::Tensor gradient_checkpoint(std::shared_ptr<torch::nn::Module> module,
                               CheckpointedFunction forward,
                               const std::vector<at::Tensor>& inputs) {
  std::vector<at::Tensor> defined, parameters;
  for (const auto& input : inputs)
    if (input.defined()) defined.push_back(input);
  for (auto& parameter : module->parameters())
    if (parameter.requires_grad()) parameters.push_back(parameter);
  const auto needs_gradient = [](const at::Tensor& tensor) { return tensor.requires_grad(); };
  if (parameters.empty() && std::none_of(defined.begin(), defined.end(), needs_gradient))
    return forward(inputs);
  const auto device = defined.empty() ? at::Device(at::kCPU) : defined.front().device();
  const auto layer =
      c10::make_intrusive<CheckpointedLayer>(std::move(module), std::move(forward), device);
  for (const auto& input : inputs) layer->defined.push_back(input.defined());
  return CheckpointNode::apply(layer, at::TensorList(defined), at::TensorList(parameters));
}

}  // namespace xattn
