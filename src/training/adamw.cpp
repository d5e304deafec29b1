#include "xattn/training/adamw.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros_like.h>

#include <map>
#include <tuple>

#include "core/check.h"

namespace xattn {
namespace {

using torch::optim::AdamWOptions;
using torch::optim::AdamWParamState;

/// The parameters of a group that are updated together: those that have had as many steps and are
/// on one device.
struct FusedParameters {
  std::vector<at::Tensor> parameters, gradients, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, steps;
};

AdamWParamState& begun_state(
    ska::flat_hash_map<void*, std::unique_ptr<torch::optim::OptimizerParamState>>& states,
    const at::Tensor& parameter, bool amsgrad) {
  auto& state = states[parameter.unsafeGetTensorImpl()];
  if (!state) {
    auto fresh = std::make_unique<AdamWParamState>();
    const auto zeros = [&] { return at::zeros_like(parameter, at::MemoryFormat::Preserve); };
    fresh->step(0).exp_avg(zeros()).exp_avg_sq(zeros());
    if (amsgrad) fresh->max_exp_avg_sq(zeros());
    state = std::move(fresh);
  }
  return static_cast<AdamWParamState&>(*state);
}

}  // namespace

at::Tensor AdamW::step(LossClosure closure) {
  const at::NoGradGuard no_grad;
  at::Tensor loss;
  if (closure) {
    const at::AutoGradMode record(true);
    loss = closure();
  }
  for (auto& group : param_groups_) {
    const auto& options = static_cast<const AdamWOptions&>(group.options());
    std::map<std::tuple<int64_t, at::DeviceType, int64_t, at::ScalarType>, FusedParameters> alike;
    for (auto& parameter : group.params()) {
      const auto& gradient = parameter.grad();
      if (!gradient.defined()) continue;
      if (gradient.is_sparse())
        throw_value_error("AdamW", "gradient", "a dense tensor", "a sparse one");
      auto& state = begun_state(state_, parameter, options.amsgrad());
      state.step(state.step() + 1);
      auto& fused = alike[{state.step(), parameter.device().type(), parameter.device().index(),
                           parameter.scalar_type()}];
      fused.parameters.push_back(parameter);
      fused.gradients.push_back(gradient);
      fused.exp_avgs.push_back(state.exp_avg());
      fused.exp_avg_sqs.push_back(state.exp_avg_sq());
      if (options.amsgrad()) fused.max_exp_avg_sqs.push_back(state.max_exp_avg_sq());
    }
    const auto [beta1, beta2] = options.betas();
    for (auto& [kind, fused] : alike) {
      const auto& first = fused.parameters.front();
      const auto step = at::full({}, static_cast<double>(std::get<0>(kind)),
                                 first.options().dtype(at::kFloat).requires_grad(false));
      fused.steps.assign(fused.parameters.size(), step);
      at::_fused_adamw_(fused.parameters, fused.gradients, fused.exp_avgs, fused.exp_avg_sqs,
                        fused.max_exp_avg_sqs, fused.steps, options.lr(), beta1, beta2,
                        options.weight_decay(), options.eps(), options.amsgrad(),
                        /*maximize=*/false);
      // The operator does not: what was made of the weights must see that they changed.
      for (const auto& parameter : fused.parameters) parameter.unsafeGetTensorImpl()->bump_version();
    }
  }
  return loss;
}

}  // namespace xattn
