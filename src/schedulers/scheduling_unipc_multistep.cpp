#include "xattn/schedulers/scheduling_unipc_multistep.h"

#include <ATen/ops/expm1.h>
#include <ATen/ops/linalg_solve.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/pow.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

#include <algorithm>

#include "schedulers/checked_config.h"
#include "schedulers/dpm_solver.h"
#include "schedulers/noise_schedule.h"
#include "schedulers/sigmas.h"
#include "schedulers/timesteps.h"

namespace xattn {
namespace {

constexpr auto kUniPcPlace = "UniPCMultistepScheduler";

DPMAlgorithm unipc_algorithm(bool predict_x0) {
  return DPMAlgorithm(predict_x0 ? "dpmsolver++" : "dpmsolver", "midpoint");
}

/// A step from `from[0]` to the level `to`, by the outputs at `from`, and for the corrector by that
/// at `to` as well.
class Update {
 public:
  Update(const UniPCMultistepSchedulerConfig& config, const DPMLevel& to,
         const std::vector<DPMLevel>& from)
      : predicts_sample_(config.predict_x0), to_(to), from_(from) {
    const auto h = to.lambda - from[0].lambda;
    const auto hh = predicts_sample_ ? -h : h;
    phi_1_ = at::expm1(hh);
    b_h_ = config.solver_type == "bh1" ? hh : phi_1_;
    for (size_t k = 1; k < from.size(); ++k) {
      ratios_.push_back((from[k].lambda - from[0].lambda) / h);
    }
    auto ratios = ratios_;
    ratios.push_back(at::ones({}, at::kFloat));
    const auto all = at::stack(ratios);
    std::vector<at::Tensor> rows, right;
    auto phi_k = phi_1_ / hh - 1;
    double factorial = 1;
    for (size_t k = 1; k <= from.size(); ++k) {
      rows.push_back(at::pow(all, double(k - 1)));
      right.push_back(phi_k * factorial / b_h_);
      factorial *= double(k + 1);
      phi_k = phi_k / hh - 1 / factorial;
    }
    matrix_ = at::stack(rows);
    right_ = at::stack(right);
  }

  at::Tensor predict(const std::vector<at::Tensor>& outputs, const at::Tensor& sample) const {
    const auto order = int64_t(from_.size());
    if (order == 1) return carried(outputs, sample);
    const auto weights =
        order == 2 ? at::ones({1}, at::kFloat) * 0.5
                   : at::linalg_solve(matrix_.narrow(0, 0, order - 1).narrow(1, 0, order - 1),
                                      right_.narrow(0, 0, order - 1));
    return carried(outputs, sample) - factor() * b_h_ * differences(outputs, weights);
  }

  at::Tensor correct(const std::vector<at::Tensor>& outputs, const at::Tensor& output,
                     const at::Tensor& last_sample) const {
    const auto order = int64_t(from_.size());
    const auto weights =
        order == 1 ? at::ones({1}, at::kFloat) * 0.5 : at::linalg_solve(matrix_, right_);
    auto sum = weights[order - 1] * (output - outputs[0]);
    if (order > 1) sum = differences(outputs, weights) + sum;
    return carried(outputs, last_sample) - factor() * b_h_ * sum;
  }

 private:
  const at::Tensor& factor() const { return predicts_sample_ ? to_.alpha : to_.sigma; }

  at::Tensor carried(const std::vector<at::Tensor>& outputs, const at::Tensor& sample) const {
    const auto ratio = predicts_sample_ ? to_.sigma / from_[0].sigma : to_.alpha / from_[0].alpha;
    return ratio * sample - factor() * phi_1_ * outputs[0];
  }

  at::Tensor differences(const std::vector<at::Tensor>& outputs, const at::Tensor& weights) const {
    at::Tensor sum;
    for (size_t k = 1; k < from_.size(); ++k) {
      const auto part = weights[int64_t(k) - 1] * ((outputs[k] - outputs[0]) / ratios_[k - 1]);
      sum = sum.defined() ? sum + part : part;
    }
    return sum;
  }

  bool predicts_sample_;
  const DPMLevel& to_;
  const std::vector<DPMLevel>& from_;
  at::Tensor phi_1_, b_h_, matrix_, right_;
  std::vector<at::Tensor> ratios_;
};

}  // namespace

UniPCMultistepScheduler::UniPCMultistepScheduler(UniPCMultistepSchedulerConfig config)
    : SolverScheduler(make_alphas_cumprod(kUniPcPlace, checked(kUniPcPlace, config),
                                          config.rescale_betas_zero_snr, kTerminalAlpha)),
      config_(std::move(config)) {}

Schedule UniPCMultistepScheduler::schedule(const ScheduleOptions& options) const {
  check_taken(*this, options);
  const auto known = training_sigmas(alphas_cumprod_);
  const auto steps = steps_of(kUniPcPlace, config_, options);
  const bool ends_at_least = config_.final_sigmas_type == "sigma_min";
  SigmaTable table;
  table.timesteps = multistep_timesteps(config_, steps, config_.num_train_timesteps);
  if (is_spread(config_)) {
    table.sigmas = spread_sigmas(config_, config_.sigma_min.value_or(known.front()),
                                 config_.sigma_max.value_or(known.back()), steps);
    table.timesteps = whole_timesteps_of(table.sigmas, known, config_.use_karras_sigmas);
    table.sigmas.push_back(ends_at_least ? table.sigmas.back() : 0);
  } else {
    table.sigmas = interpolate(table.timesteps, known);
    table.sigmas.push_back(ends_at_least ? known[0] : 0);
  }
  return solver_schedule(table, options.device);
}

SchedulerOutput UniPCMultistepScheduler::step(const Schedule& schedule,
                                              const at::Tensor& model_output, int64_t i,
                                              const at::Tensor& sample, SchedulerState& state,
                                              const StepOptions& options) const {
  begin_step(*this, schedule, model_output, i, sample, state, options);
  const auto here = DPMLevel(element(schedule.sigmas, i));
  auto threshold = static_cast<const ThresholdConfig&>(config_);
  threshold.thresholding &= config_.predict_x0;
  const auto output = converted_output(unipc_algorithm(config_.predict_x0), config_.prediction_type,
                                       threshold, model_output, sample, here);
  const auto& outputs = state.outputs;
  auto from = sample;
  const auto& disabled = config_.disable_corrector;
  if (state.sample.defined() && std::count(disabled.begin(), disabled.end(), i - 1) == 0) {
    const auto levels = levels_of(schedule, i - 1, state.order);
    from = Update(config_, here, levels)
               .correct(outputs, output, state.sample)
               .to(sample.scalar_type());
  }
  remember(state, output, config_.solver_order);
  state.order = int64_t(outputs.size());
  if (config_.lower_order_final) state.order = std::min(state.order, schedule.size() - i);
  state.sample = from;
  const auto levels = levels_of(schedule, i, state.order);
  const auto next = DPMLevel(element(schedule.sigmas, i + 1));
  return {Update(config_, next, levels).predict(outputs, from).to(from.scalar_type()),
          at::Tensor()};
}

}  // namespace xattn
