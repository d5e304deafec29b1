#include "schedulers/dpm_solver.h"

#include <ATen/ops/exp.h>
#include <ATen/ops/log.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/sqrt.h>

#include "core/check.h"
#include "schedulers/noise_schedule.h"

namespace xattn {
namespace {

/// Coefficients that the formulas of all orders share. With ε in place of x₀ the roles of α and σ
/// are exchanged, and so is the sign of h.
struct Step {
  Step(const DPMAlgorithm& algorithm, const DPMLevel& to, const DPMLevel& from)
      : h(to.lambda - from.lambda),
        factor(algorithm.predicts_sample ? to.alpha : to.sigma),
        growth(at::exp(algorithm.predicts_sample ? -h : h) - 1.0) {}

  at::Tensor h, factor, growth;
};

/// The part of the sample that stays.
at::Tensor carried(const DPMAlgorithm& algorithm, const DPMLevel& to, const DPMLevel& from,
                   const at::Tensor& h) {
  const auto ratio = algorithm.predicts_sample ? to.sigma / from.sigma : to.alpha / from.alpha;
  return algorithm.is_sde && algorithm.predicts_sample ? ratio * at::exp(-h) : ratio;
}

at::Tensor noise_factor(const DPMAlgorithm& algorithm, const DPMLevel& to, const at::Tensor& h) {
  return algorithm.predicts_sample ? to.sigma * at::sqrt(1.0 - at::exp(-2 * h))
                                   : to.sigma * at::sqrt(at::exp(2 * h) - 1.0);
}

/// What the derivatives of order 0, 1 and 2 are multiplied with.
struct Factors {
  at::Tensor zeroth, first, second;
};

Factors factors_of(const DPMAlgorithm& algorithm, const Step& step, size_t order) {
  const auto& [h, factor, growth] = step;
  Factors result;
  const bool exact = algorithm.is_heun || order == 3;
  if (algorithm.predicts_sample && algorithm.is_sde) {
    const auto twice = 1.0 - at::exp(-2.0 * h);
    result.zeroth = factor * twice;
    result.first = exact ? factor * (twice / (-2.0 * h) + 1.0) : 0.5 * (factor * twice);
    result.second = factor * ((twice - 2.0 * h) / at::pow(2.0 * h, 2) - 0.5);
  } else if (algorithm.predicts_sample) {
    result.zeroth = -(factor * growth);
    result.first = exact ? factor * (growth / h + 1.0) : -0.5 * (factor * growth);
    result.second = -(factor * ((growth + h) / at::pow(h, 2) - 0.5));
  } else {
    const double weight = algorithm.is_sde ? 2.0 : 1.0;
    result.zeroth = -weight * (factor * growth);
    result.first =
        exact ? -weight * (factor * (growth / h - 1.0)) : -0.5 * weight * (factor * growth);
    result.second = -(factor * ((growth - h) / at::pow(h, 2) - 0.5));
  }
  return result;
}

}  // namespace

DPMLevel::DPMLevel(const at::Tensor& of)
    : alpha(1 / root(at::pow(of, 2) + 1)),
      sigma(of * alpha),
      lambda(at::log(alpha) - at::log(sigma)) {}

DPMAlgorithm::DPMAlgorithm(const std::string& algorithm_type, const std::string& solver_type)
    : predicts_sample(algorithm_type.ends_with("++")),
      is_sde(algorithm_type.starts_with("sde-")),
      is_heun(solver_type == "heun") {}

at::Tensor converted_output(const DPMAlgorithm& algorithm, const std::string& prediction_type,
                            const ThresholdConfig& threshold, const at::Tensor& model_output,
                            const at::Tensor& sample, const DPMLevel& level) {
  const auto &alpha = level.alpha, &sigma = level.sigma;
  if (algorithm.predicts_sample) {
    return in_range_of(threshold,
                       predicted_original(prediction_type, model_output, sample, alpha, sigma));
  }
  const auto epsilon = predicted_epsilon(prediction_type, model_output, sample, alpha, sigma);
  if (!threshold.thresholding) return epsilon;
  const auto original = (sample - sigma * epsilon) / alpha;
  return (sample - alpha * in_range_of(threshold, original)) / sigma;
}

at::Tensor dpm_solver_update(const DPMAlgorithm& algorithm, const DPMLevel& to,
                             const std::vector<DPMLevel>& from,
                             const std::vector<at::Tensor>& outputs, const at::Tensor& sample,
                             const at::Tensor& noise) {
  const Step step(algorithm, to, from[0]);
  const auto factors = factors_of(algorithm, step, from.size());
  auto result = carried(algorithm, to, from[0], step.h) * sample + factors.zeroth * outputs[0];
  if (from.size() > 1) {
    const auto r0 = (from[0].lambda - from[1].lambda) / step.h;
    auto first = 1.0 / r0 * (outputs[0] - outputs[1]);
    if (from.size() > 2) {
      const auto r1 = (from[1].lambda - from[2].lambda) / step.h;
      const auto before = 1.0 / r1 * (outputs[1] - outputs[2]);
      const auto second = 1.0 / (r0 + r1) * (first - before);
      first = first + r0 / (r0 + r1) * (first - before);
      result = result + factors.first * first + factors.second * second;
    } else {
      result = result + factors.first * first;
    }
  }
  return algorithm.is_sde ? result + noise_factor(algorithm, to, step.h) * noise : result;
}

at::Tensor dpm_solver_singlestep_update(const DPMAlgorithm& algorithm, const DPMLevel& to,
                                        const std::vector<DPMLevel>& from,
                                        const std::vector<at::Tensor>& outputs,
                                        const at::Tensor& sample, const at::Tensor& noise) {
  const auto order = from.size();
  const auto& oldest = from.back();
  const auto& first_output = outputs[order - 1];
  const Step step(algorithm, to, oldest);
  const auto factors = factors_of(algorithm, step, order);
  auto result = carried(algorithm, to, oldest, step.h) * sample + factors.zeroth * first_output;
  if (order > 1) {
    const auto ratio = [&](const DPMLevel& level) {
      return (level.lambda - oldest.lambda) / step.h;
    };
    const auto r0 = ratio(from[0]);
    const auto last = 1.0 / r0 * (outputs[0] - first_output);
    if (order == 2 || !algorithm.is_heun) {
      result = result + factors.first * last;
    } else {
      const auto r1 = ratio(from[1]);
      const auto before = 1.0 / r1 * (outputs[1] - first_output);
      result = result + factors.first * ((r0 * before - r1 * last) / (r0 - r1)) +
               factors.second * (2.0 * (last - before) / (r0 - r1));
    }
  }
  return algorithm.is_sde ? result + noise_factor(algorithm, to, step.h) * noise : result;
}

std::vector<DPMLevel> levels_of(const Schedule& schedule, int64_t last, int64_t count) {
  std::vector<DPMLevel> levels;
  for (int64_t k = 0; k < count; ++k) levels.emplace_back(element(schedule.sigmas, last - k));
  return levels;
}

void remember(SchedulerState& state, const at::Tensor& output, int64_t most) {
  state.outputs.insert(state.outputs.begin(), output);
  if (int64_t(state.outputs.size()) > most) state.outputs.pop_back();
}

void check_final_sigmas(std::string_view place, const std::string& algorithm_type,
                        const std::string& final_sigmas_type) {
  if (algorithm_type.ends_with("++") || final_sigmas_type != "zero") return;
  throw_value_error(place, "final_sigmas_type", "sigma_min, as algorithm_type is " + algorithm_type,
                    "zero");
}

}  // namespace xattn
