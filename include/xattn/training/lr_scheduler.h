#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "xattn/core/export.h"

namespace xattn {

/// How the learning rate goes, with the original's names.
enum class LRSchedulerType {
  kConstant,
  kConstantWithWarmup,
  kLinear,
  kCosine,
  kCosineWithRestarts,
  kPolynomial,
  kPiecewiseConstant
};

/// The type of a name: "constant", "constant_with_warmup", "linear", "cosine",
/// "cosine_with_restarts", "polynomial" or "piecewise_constant".
///
/// Throws: `ValueError` for another name.
XATTN_API LRSchedulerType lr_scheduler_type(const std::string& name);

/// Before which step the learning rate is multiplied by what.
struct LRStepRule {
  int64_t before_step;
  double multiplier;
};

/// The arguments of the original's `get_scheduler`.
struct LRSchedulerConfig {
  LRSchedulerType type = LRSchedulerType::kConstant;
  /// Steps over which the rate rises from 0; not of `kConstant` and `kPiecewiseConstant`.
  int64_t num_warmup_steps = 0;
  /// All steps of the training, with those of the warm-up; of the four that fall.
  int64_t num_training_steps = 0;
  /// Hard restarts of `kCosineWithRestarts`. `kCosine` falls once, as the original's, which does
  /// not hand this on to it.
  int64_t num_cycles = 1;
  /// Of `kPolynomial`, which ends at a rate of 1e-7.
  double power = 1;
  /// Of `kPiecewiseConstant`: the rules in any order, and what holds after all of them.
  std::vector<LRStepRule> step_rules = {};
  double last_multiplier = 1;
};

/// Sets the rules from the original's text: "1:10,0.1:20,0.01" is 1 before step 10, 0.1 before
/// step 20, then 0.01.
///
/// Throws: `ValueError` for a text that cannot be read.
XATTN_API void set_step_rules(LRSchedulerConfig& config, const std::string& text);

/// What the learning rate `lr` is multiplied by in a step; steps are counted from 0.
///
/// With warm-up: step / num_warmup_steps before its end. Then, with p = (step − warm-up) / (steps −
/// warm-up): linear 1 − p; cosine (1 + cos(π p)) / 2; with restarts the same of the fraction of
/// cycles · p; polynomial ((lr − 1e-7) · (1 − p)^power + 1e-7) / lr.
///
/// Throws: `ValueError` for numbers below 0, a missing number of steps, a polynomial whose `lr`
/// is not above 1e-7 or that has no steps after the warm-up.
///
/// Reference: diffusers 0.42.1, optimization.py, `get_scheduler`.
XATTN_API double lr_multiplier(const LRSchedulerConfig& config, int64_t step, double lr);

/// lr · lr_multiplier(…).
XATTN_API double learning_rate(const LRSchedulerConfig& config, int64_t step, double lr);

}  // namespace xattn
