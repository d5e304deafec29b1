#include "xattn/training/optimizer_step.h"

#include <ATen/TensorOperators.h>
#include <fmt/format.h>
#include <torch/nn/module.h>
#include <torch/nn/utils/clip_grad.h>

#include <cmath>

#include "core/check.h"
#include "xattn/core/error.h"

namespace xattn {
namespace {

constexpr auto kOptimizerStep = "OptimizerStep";

std::vector<at::Tensor> all_parameters(const torch::optim::Optimizer& optimizer) {
  std::vector<at::Tensor> all;
  for (const auto& group : optimizer.param_groups())
    all.insert(all.end(), group.params().begin(), group.params().end());
  return all;
}

}  // namespace

OptimizerStep::OptimizerStep(torch::optim::Optimizer& optimizer,
                             const OptimizerStepOptions& options)
    : optimizer_(optimizer), options_(options), learning_rate_(optimizer.defaults().get_lr()) {
  check_at_least(kOptimizerStep, "gradient_accumulation_steps", options.gradient_accumulation_steps,
                 1);
  if (options.max_grad_norm && !(*options.max_grad_norm > 0)) {
    throw_value_error(kOptimizerStep, "max_grad_norm", "above 0",
                      fmt::format("{}", *options.max_grad_norm));
  }
  for (const auto& group : optimizer.param_groups())
    learning_rates_.push_back(group.options().get_lr());
  set_learning_rate();
}

void OptimizerStep::track(EMAModel& ema, const torch::nn::Module& module) {
  averages_.emplace_back(&ema, module.parameters());
}

OptimizerStepResult OptimizerStep::operator()(const at::Tensor& loss) {
  check_shape(kOptimizerStep, "loss", loss, {});
  const auto count = options_.gradient_accumulation_steps;
  OptimizerStepResult result{.loss = finite("loss", loss.item<double>())};
  result.learning_rate = optimizer_.param_groups().front().options().get_lr();
  (count == 1 ? loss : loss / static_cast<double>(count)).backward();
  if (++progress_.accumulated < count) return result;

  if (options_.max_grad_norm) {
    result.grad_norm = finite(
        "the norm of the gradients",
        torch::nn::utils::clip_grad_norm_(all_parameters(optimizer_), *options_.max_grad_norm));
  }
  optimizer_.step();
  optimizer_.zero_grad();
  for (auto& [ema, parameters] : averages_) ema->step(parameters);
  result.stepped = true;
  progress_ = {.step = progress_.step + 1, .accumulated = 0};
  set_learning_rate();
  return result;
}

void OptimizerStep::set_progress(const TrainingProgress& progress) {
  check_at_least(kOptimizerStep, "step", progress.step, 0);
  check_at_least(kOptimizerStep, "accumulated", progress.accumulated, 0);
  if (progress.accumulated >= options_.gradient_accumulation_steps) {
    throw_value_error(kOptimizerStep, "accumulated",
                      fmt::format("less than {}", options_.gradient_accumulation_steps),
                      std::to_string(progress.accumulated));
  }
  progress_ = progress;
  set_learning_rate();
}

void OptimizerStep::set_learning_rate() {
  const auto factor = lr_multiplier(options_.lr_scheduler, progress_.step, learning_rate_);
  auto& groups = optimizer_.param_groups();
  for (size_t i = 0; i < learning_rates_.size(); ++i)
    groups[i].options().set_lr(learning_rates_[i] * factor);
}

double OptimizerStep::finite(const char* name, double value) const {
  if (std::isfinite(value)) return value;
  throw NotFiniteError(fmt::format("[{}] {}: expected a finite number at step {}, got {}",
                                   kOptimizerStep, name, progress_.step + 1, value));
}

}  // namespace xattn
