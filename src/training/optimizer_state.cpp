#include "xattn/training/optimizer_state.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/check.h"
#include "training/named_tensors.h"

namespace xattn {
namespace {

using OptimizerParamState = torch::optim::AdamWParamState;

constexpr auto kOptimizerState = "optimizer_state";
/// Up to here float32 holds every whole number; Python's steps are of it too.
constexpr double kMostSteps = 1 << 24;

constexpr std::array<const char*, 4> kParts = {".step", ".exp_avg", ".exp_avg_sq",
                                               ".max_exp_avg_sq"};

/// For each of the parameters whether it is optimized with amsgrad.
std::vector<bool> amsgrad_of(const torch::optim::AdamW& optimizer, const StateDict& parameters) {
  std::unordered_map<const void*, bool> known;
  for (const auto& group : optimizer.param_groups()) {
    const auto& options = static_cast<const torch::optim::AdamWOptions&>(group.options());
    for (const auto& parameter : group.params())
      known[parameter.unsafeGetTensorImpl()] = options.amsgrad();
  }
  std::vector<bool> found;
  for (const auto& item : parameters) {
    const auto one = known.find(item.value().unsafeGetTensorImpl());
    if (one == known.end())
      throw_value_error(kOptimizerState, item.key(), "a parameter of the optimizer", "another");
    found.push_back(one->second);
    known.erase(one);
  }
  if (!known.empty()) {
    throw_value_error(kOptimizerState, "parameters", "all of the optimizer's",
                      std::to_string(known.size()) + " less");
  }
  return found;
}

/// The parts of a parameter's state by name, but for the step.
std::vector<std::pair<const char*, at::Tensor>> tensors_of(const OptimizerParamState& state) {
  std::vector<std::pair<const char*, at::Tensor>> parts = {{".exp_avg", state.exp_avg()},
                                                           {".exp_avg_sq", state.exp_avg_sq()}};
  if (state.max_exp_avg_sq().defined())
    parts.emplace_back(".max_exp_avg_sq", state.max_exp_avg_sq());
  return parts;
}

/// Makes a state from named tensors; what is wrong with them is added to `problems`.
class StateReader {
 public:
  StateReader(const StateDict& state, std::vector<std::string>& problems)
      : state_(state), problems_(problems) {}

  /// Null where the parameter has none.
  std::unique_ptr<OptimizerParamState> read(const std::string& name, const at::Tensor& parameter,
                                            bool amsgrad) {
    const bool any = std::any_of(kParts.begin(), kParts.end(),
                                 [&](const char* part) { return state_.contains(name + part); });
    if (!any) return nullptr;
    auto made = std::make_unique<OptimizerParamState>();
    made->step(step_of(name + ".step"));
    made->exp_avg(copy_of(name + ".exp_avg", parameter));
    made->exp_avg_sq(copy_of(name + ".exp_avg_sq", parameter));
    const auto largest = name + ".max_exp_avg_sq";
    if (amsgrad) {
      made->max_exp_avg_sq(copy_of(largest, parameter));
    } else if (state_.contains(largest)) {
      problems_.push_back(largest + ": unexpected without amsgrad");
    }
    return made;
  }

 private:
  int64_t step_of(const std::string& key) {
    const auto* tensor = find(key);
    if (!tensor) return 0;
    const bool is_number = tensor->numel() == 1 && tensor->is_floating_point();
    const auto step = is_number ? tensor->item<double>() : -1;
    if (step >= 1 && step <= kMostSteps && step == std::floor(step))
      return static_cast<int64_t>(step);
    problems_.push_back(fmt::format("{}: expected a whole number from 1 to {}, got {}", key,
                                    kMostSteps,
                                    is_number ? fmt::format("{}", step) : tensor_text(*tensor)));
    return 0;
  }

  at::Tensor copy_of(const std::string& key, const at::Tensor& parameter) {
    const auto* tensor = find(key);
    if (!tensor) return {};
    if (tensor->sizes() != parameter.sizes() || tensor->scalar_type() != parameter.scalar_type()) {
      problems_.push_back(fmt::format("{}: expected {}, got {}", key, tensor_text(parameter),
                                      tensor_text(*tensor)));
      return {};
    }
    return at::empty_like(parameter, parameter.options().requires_grad(false)).copy_(*tensor);
  }

  const at::Tensor* find(const std::string& key) {
    const auto* tensor = state_.find(key);
    if (!tensor || !tensor->defined()) {
      problems_.push_back(key + ": missing");
      return nullptr;
    }
    return tensor;
  }

  const StateDict& state_;
  std::vector<std::string>& problems_;
};

/// Names that are no parameter's.
std::vector<std::string> unexpected_names(const StateDict& parameters, const StateDict& state) {
  std::vector<std::string> names;
  for (const auto& item : state) {
    const auto& key = item.key();
    const auto dot = key.rfind('.');
    const auto part = dot == std::string::npos ? std::string() : key.substr(dot);
    const bool is_part = std::find(kParts.begin(), kParts.end(), part) != kParts.end();
    if (!is_part || !parameters.contains(key.substr(0, dot))) names.push_back(key + ": unexpected");
  }
  return names;
}

}  // namespace

StateDict optimizer_state(const torch::optim::AdamW& optimizer, const StateDict& parameters) {
  amsgrad_of(optimizer, parameters);
  StateDict named;
  for (const auto& item : parameters) {
    const auto found = optimizer.state().find(item.value().unsafeGetTensorImpl());
    if (found == optimizer.state().end()) continue;
    const auto& state = static_cast<const OptimizerParamState&>(*found->second);
    named.insert(item.key() + ".step", at::full({}, static_cast<double>(state.step()), at::kFloat));
    for (const auto& [part, tensor] : tensors_of(state)) named.insert(item.key() + part, tensor);
  }
  return named;
}

void load_optimizer_state(torch::optim::AdamW& optimizer, const StateDict& parameters,
                          const StateDict& state) {
  const auto amsgrad = amsgrad_of(optimizer, parameters);
  const at::NoGradGuard no_grad;
  auto problems = unexpected_names(parameters, state);
  StateReader reader(state, problems);
  std::vector<std::unique_ptr<OptimizerParamState>> states;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const auto& item = parameters[i];
    states.push_back(reader.read(item.key(), item.value(), amsgrad[i]));
  }
  if (!problems.empty()) throw_problems(kOptimizerState, std::move(problems));
  for (size_t i = 0; i < states.size(); ++i) {
    auto* key = parameters[i].value().unsafeGetTensorImpl();
    if (states[i]) {
      optimizer.state()[key] = std::move(states[i]);
    } else {
      optimizer.state().erase(key);
    }
  }
}

}  // namespace xattn
