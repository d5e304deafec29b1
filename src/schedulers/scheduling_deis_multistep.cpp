#include "xattn/schedulers/scheduling_deis_multistep.h"

#include <ATen/ops/exp.h>
#include <ATen/ops/log.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>

#include "schedulers/checked_config.h"
#include "schedulers/dpm_solver.h"
#include "schedulers/noise_schedule.h"
#include "schedulers/sigmas.h"
#include "schedulers/timesteps.h"

namespace xattn {
namespace {

constexpr auto kDeisPlace = "DEISMultistepScheduler";

/// As numpy's, which the original uses here: differences of these cancel.
at::Tensor log_of(const at::Tensor& x) {
  return at::scalar_tensor(std::log(x.item<float>()), at::kFloat);
}

/// ∫ of the polynomial in log t that is 1 at b and 0 at c (and d), at t.
at::Tensor integral(const at::Tensor& t, const at::Tensor& b, const at::Tensor& c) {
  return t * (-log_of(c) + log_of(t) - 1) / (log_of(b) - log_of(c));
}
at::Tensor integral(const at::Tensor& t, const at::Tensor& b, const at::Tensor& c,
                    const at::Tensor& d) {
  const auto log_t = log_of(t);
  const auto numerator = t * (log_of(c) * (log_of(d) - log_t + 1) - log_of(d) * log_t + log_of(d) +
                              at::pow(log_t, 2) - 2 * log_t + 2);
  return numerator / ((log_of(b) - log_of(c)) * (log_of(b) - log_of(d)));
}

at::Tensor deis_update(const DPMLevel& to, const std::vector<DPMLevel>& from,
                       const std::vector<at::Tensor>& outputs, const at::Tensor& sample) {
  if (from.size() == 1) {
    const auto h = to.lambda - from[0].lambda;
    return to.alpha / from[0].alpha * sample - to.sigma * (at::exp(h) - 1.0) * outputs[0];
  }
  const auto rho_t = to.sigma / to.alpha;
  std::vector<at::Tensor> rho;
  for (const auto& level : from) rho.push_back(level.sigma / level.alpha);
  auto sum = sample / from[0].alpha;
  const auto count = from.size();
  for (size_t k = 0; k < count; ++k) {
    const auto &b = rho[k], &c = rho[(k + 1) % count], &d = rho[(k + 2) % count];
    const auto weight = count == 2 ? integral(rho_t, b, c) - integral(rho[0], b, c)
                                   : integral(rho_t, b, c, d) - integral(rho[0], b, c, d);
    sum = sum + weight * outputs[k];
  }
  return to.alpha * sum;
}

}  // namespace

DEISMultistepScheduler::DEISMultistepScheduler(DEISMultistepSchedulerConfig config)
    : SolverScheduler(make_alphas_cumprod(kDeisPlace, checked(kDeisPlace, config))),
      config_(std::move(config)) {}

Schedule DEISMultistepScheduler::schedule(const ScheduleOptions& options) const {
  check_taken(*this, options);
  const auto known = training_sigmas(alphas_cumprod_);
  const auto steps = steps_of(kDeisPlace, config_, options);
  SigmaTable table;
  table.timesteps = multistep_timesteps(config_, steps, config_.num_train_timesteps);
  if (is_spread(config_)) {
    table.sigmas = spread_sigmas(config_, known.front(), known.back(), steps);
    table.timesteps = whole_timesteps_of(table.sigmas, known, config_.use_karras_sigmas);
    table.sigmas.push_back(table.sigmas.back());
  } else {
    table.sigmas = interpolate(table.timesteps, known);
    table.sigmas.push_back(known[0]);
  }
  return solver_schedule(table, options.device);
}

SchedulerOutput DEISMultistepScheduler::step(const Schedule& schedule,
                                             const at::Tensor& model_output, int64_t i,
                                             const at::Tensor& sample, SchedulerState& state,
                                             const StepOptions& options) const {
  begin_step(*this, schedule, model_output, i, sample, state, options);
  static const DPMAlgorithm kPredictsSample("dpmsolver++", "midpoint");
  const auto here = DPMLevel(element(schedule.sigmas, i));
  const auto original = converted_output(kPredictsSample, config_.prediction_type, config_,
                                         model_output, sample, here);
  remember(state, (sample - here.alpha * original) / here.sigma, config_.solver_order);

  auto order = int64_t(state.outputs.size());
  if (config_.lower_order_final && schedule.size() < 15) {
    order = std::min(order, schedule.size() - i);
  }
  const auto next = DPMLevel(element(schedule.sigmas, i + 1));
  return {deis_update(next, levels_of(schedule, i, order), state.outputs, sample), at::Tensor()};
}

}  // namespace xattn
