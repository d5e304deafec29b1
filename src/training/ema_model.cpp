#include "xattn/training/ema_model.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_copy.h>
#include <ATen/ops/_foreach_lerp.h>
#include <fmt/format.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "training/named_tensors.h"

namespace xattn {
namespace {

constexpr auto kEMAModel = "EMAModel";

void check_config(const EMAModelConfig& config) {
  const auto check_part = [](const char* name, double value) {
    if (!(value >= 0 && value <= 1))
      throw_value_error(kEMAModel, name, "0 to 1", fmt::format("{}", value));
  };
  check_part("decay", config.decay);
  check_part("min_decay", config.min_decay);
  check_at_least(kEMAModel, "update_after_step", config.update_after_step, 0);
  if (!(config.inv_gamma > 0))
    throw_value_error(kEMAModel, "inv_gamma", "above 0", fmt::format("{}", config.inv_gamma));
  if (!std::isfinite(config.power))
    throw_value_error(kEMAModel, "power", "a finite number", fmt::format("{}", config.power));
}

}  // namespace

EMAModel::EMAModel(const torch::nn::Module& module, const EMAModelConfig& config)
    : EMAModel(module.named_parameters(), config) {}

EMAModel::EMAModel(const StateDict& parameters, const EMAModelConfig& config) {
  check_config(config);
  state_.config = config;
  const at::NoGradGuard no_grad;
  for (const auto& item : parameters)
    state_.shadow_params.insert(item.key(), item.value().detach().clone());
}

double EMAModel::get_decay(int64_t optimization_step) const {
  const auto& config = state_.config;
  const auto step = std::max<int64_t>(0, optimization_step - config.update_after_step - 1);
  if (step <= 0) return 0;
  const auto steps = static_cast<double>(step);
  const auto decay = config.use_ema_warmup
                         ? 1 - std::pow(1 + steps / config.inv_gamma, -config.power)
                         : (1 + steps) / (10 + steps);
  return std::max(std::min(decay, config.decay), config.min_decay);
}

void EMAModel::step(const std::vector<at::Tensor>& parameters) {
  check(parameters);
  const at::NoGradGuard no_grad;
  ++state_.optimization_step;
  cur_decay_value_ = get_decay(state_.optimization_step);
  std::vector<at::Tensor> shadows, trained, copied_shadows, frozen;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const bool is_trained = parameters[i].requires_grad();
    (is_trained ? shadows : copied_shadows).push_back(state_.shadow_params[i].value());
    (is_trained ? trained : frozen).push_back(parameters[i]);
  }
  // One pass over the memory, where the original's difference and product take three.
  if (!trained.empty()) at::_foreach_lerp_(shadows, trained, 1 - *cur_decay_value_);
  if (!frozen.empty()) at::_foreach_copy_(copied_shadows, frozen);
}

void EMAModel::copy_to(const std::vector<at::Tensor>& parameters) const {
  check(parameters);
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < parameters.size(); ++i)
    parameters[i].detach().copy_(state_.shadow_params[i].value());
}

void EMAModel::store(const std::vector<at::Tensor>& parameters) {
  check(parameters);
  stored_.clear();
  for (const auto& parameter : parameters)
    stored_.push_back(parameter.detach().to(at::kCPU, parameter.scalar_type(),
                                            /*non_blocking=*/false, /*copy=*/true));
}

void EMAModel::restore(const std::vector<at::Tensor>& parameters) {
  check(parameters);
  if (stored_.size() != parameters.size())
    throw_value_error(kEMAModel, "restore", "parameters that were stored", "none");
  for (size_t i = 0; i < parameters.size(); ++i) parameters[i].detach().copy_(stored_[i]);
  stored_.clear();
}

void EMAModel::load_state_dict(const EMAModelState& state) {
  check_config(state.config);
  check_at_least(kEMAModel, "optimization_step", state.optimization_step, 0);
  copy_named_tensors(kEMAModel, state_.shadow_params, state.shadow_params);
  state_.config = state.config;
  state_.optimization_step = state.optimization_step;
  cur_decay_value_.reset();
  stored_.clear();
}

void EMAModel::check(const std::vector<at::Tensor>& parameters) const {
  const auto& shadows = state_.shadow_params;
  if (parameters.size() != shadows.size()) {
    throw_value_error(kEMAModel, "parameters", std::to_string(shadows.size()),
                      std::to_string(parameters.size()));
  }
  for (size_t i = 0; i < parameters.size(); ++i) {
    const auto& shadow = shadows[i].value();
    const auto& parameter = parameters[i];
    if (!parameter.defined() || parameter.sizes() != shadow.sizes() ||
        parameter.scalar_type() != shadow.scalar_type()) {
      throw_value_error(kEMAModel, shadows[i].key(), tensor_text(shadow), tensor_text(parameter));
    }
  }
}

}  // namespace xattn
