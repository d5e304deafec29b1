#include "xattn/training/lr_scheduler.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <locale>
#include <numbers>
#include <sstream>
#include <string_view>
#include <utility>

#include "core/check.h"

namespace xattn {
namespace {

constexpr auto kLRScheduler = "lr_scheduler";
/// Where a polynomial ends, as `get_scheduler` leaves it.
constexpr double kLrEnd = 1e-7;

constexpr std::array<std::pair<std::string_view, LRSchedulerType>, 7> kLRSchedulerTypes = {{
    {"constant", LRSchedulerType::kConstant},
    {"constant_with_warmup", LRSchedulerType::kConstantWithWarmup},
    {"linear", LRSchedulerType::kLinear},
    {"cosine", LRSchedulerType::kCosine},
    {"cosine_with_restarts", LRSchedulerType::kCosineWithRestarts},
    {"polynomial", LRSchedulerType::kPolynomial},
    {"piecewise_constant", LRSchedulerType::kPiecewiseConstant},
}};

/// Reads a number and what follows it; false where there is none.
template <typename Number>
bool read_number(std::istream& text, Number& number, char after) {
  if (!(text >> number)) return false;
  return after == '\0' ? text.peek() == std::istream::traits_type::eof() : text.get() == after;
}

double quotient(int64_t numerator, int64_t denominator) {
  return static_cast<double>(numerator) / static_cast<double>(denominator);
}

/// How far the training is after the warm-up: 1 at its end, and more beyond.
double progress_of(const LRSchedulerConfig& config, int64_t step) {
  return quotient(step - config.num_warmup_steps,
                  std::max<int64_t>(1, config.num_training_steps - config.num_warmup_steps));
}

double polynomial_multiplier(const LRSchedulerConfig& config, int64_t step, double lr) {
  if (!(lr > kLrEnd)) {
    throw_value_error(kLRScheduler, "lr", fmt::format("above {}, where a polynomial ends", kLrEnd),
                      fmt::format("{}", lr));
  }
  const auto steps = config.num_training_steps - config.num_warmup_steps;
  check_at_least(kLRScheduler, "num_training_steps - num_warmup_steps", steps, 1);
  if (step > config.num_training_steps) return kLrEnd / lr;
  const auto left = 1 - quotient(step - config.num_warmup_steps, steps);
  return ((lr - kLrEnd) * std::pow(left, config.power) + kLrEnd) / lr;
}

double piecewise_multiplier(const LRSchedulerConfig& config, int64_t step) {
  const LRStepRule* found = nullptr;
  for (const auto& rule : config.step_rules) {
    // Of two rules for one step the later one counts, as in the original's dictionary.
    if (step < rule.before_step && (!found || rule.before_step <= found->before_step))
      found = &rule;
  }
  return found ? found->multiplier : config.last_multiplier;
}

}  // namespace

LRSchedulerType lr_scheduler_type(const std::string& name) {
  std::string names;
  for (const auto& [known, type] : kLRSchedulerTypes) {
    if (name == known) return type;
    names += (names.empty() ? "" : ", ") + std::string(known);
  }
  throw_value_error(kLRScheduler, "name", names, '"' + name + '"');
}

void set_step_rules(LRSchedulerConfig& config, const std::string& text) {
  std::vector<LRStepRule> rules;
  double last = 0;
  for (auto rest = text;;) {
    const auto comma = rest.find(',');
    std::istringstream rule(rest.substr(0, comma));
    rule.imbue(std::locale::classic());
    if (comma == std::string::npos) {
      if (read_number(rule, last, '\0')) break;
    } else if (LRStepRule found{}; read_number(rule, found.multiplier, ':') &&
                                   read_number(rule, found.before_step, '\0')) {
      rules.push_back(found);
      rest = rest.substr(comma + 1);
      continue;
    }
    throw_value_error(kLRScheduler, "step_rules",
                      "\"multiplier:step,…,multiplier\", as \"1:10,0.1:20,0.01\"",
                      '"' + text + '"');
  }
  config.step_rules = std::move(rules);
  config.last_multiplier = last;
}

double lr_multiplier(const LRSchedulerConfig& config, int64_t step, double lr) {
  check_at_least(kLRScheduler, "step", step, 0);
  check_at_least(kLRScheduler, "num_warmup_steps", config.num_warmup_steps, 0);
  if (config.type == LRSchedulerType::kConstant) return 1;
  if (config.type == LRSchedulerType::kPiecewiseConstant) return piecewise_multiplier(config, step);
  const bool is_warming_up = step < config.num_warmup_steps;
  const auto warmup = quotient(step, std::max<int64_t>(1, config.num_warmup_steps));
  if (config.type == LRSchedulerType::kConstantWithWarmup) return is_warming_up ? warmup : 1;

  check_at_least(kLRScheduler, "num_training_steps", config.num_training_steps, 1);
  if (config.type == LRSchedulerType::kPolynomial && !is_warming_up)
    return polynomial_multiplier(config, step, lr);
  if (is_warming_up) return warmup;
  const auto progress = progress_of(config, step);
  if (config.type == LRSchedulerType::kLinear) {
    return std::max(
        0.0, quotient(config.num_training_steps - step,
                      std::max<int64_t>(1, config.num_training_steps - config.num_warmup_steps)));
  }
  const auto cosine = [](double x) {
    return std::max(0.0, 0.5 * (1 + std::cos(std::numbers::pi * x)));
  };
  if (config.type == LRSchedulerType::kCosine) return cosine(progress);
  check_at_least(kLRScheduler, "num_cycles", config.num_cycles, 1);
  if (progress >= 1) return 0;
  return cosine(std::fmod(static_cast<double>(config.num_cycles) * progress, 1.0));
}

double learning_rate(const LRSchedulerConfig& config, int64_t step, double lr) {
  return lr * lr_multiplier(config, step, lr);
}

}  // namespace xattn
