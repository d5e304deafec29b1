#include "training/model_optimizer.h"

#include <torch/nn/module.h>

#include "core/check.h"
#include "training/named_tensors.h"
#include "xattn/nn/gradient_checkpoint.h"
#include "xattn/training/optimizer_state.h"

namespace xattn {
namespace {

constexpr auto kOptimizerPart = "optimizer";

OptimizerStepOptions step_options_of(const TrainingOptions& options) {
  return {.gradient_accumulation_steps = options.gradient_accumulation_steps,
          .max_grad_norm = options.max_grad_norm,
          .lr_scheduler = options.lr_scheduler};
}

torch::optim::AdamWOptions adamw_options_of(const TrainingOptions& options) {
  return torch::optim::AdamWOptions(options.learning_rate)
      .betas({options.adam_beta1, options.adam_beta2})
      .eps(options.adam_epsilon)
      .weight_decay(options.adam_weight_decay);
}

void use_channels_last(torch::nn::Module& module) {
  for (auto& parameter : module.parameters()) {
    if (parameter.dim() == 4)
      parameter.set_data(parameter.contiguous(at::MemoryFormat::ChannelsLast));
  }
}

const StateDict& part_of(const TrainingCheckpoint& checkpoint, const std::string& name) {
  const auto found = checkpoint.tensors.find(name);
  if (found != checkpoint.tensors.end()) return found->second;
  throw_value_error("run_training", "checkpoint", "a part " + name, "none");
}

}  // namespace

ModelOptimizer::ModelOptimizer(std::vector<TrainedModel> models, const TrainingOptions& options) {
  std::vector<at::Tensor> optimized;
  for (auto& model : models) {
    auto& module = *model.module;
    module.to(options.device);
    if (options.channels_last) use_channels_last(module);
    module.train();
    if (options.gradient_checkpointing) set_gradient_checkpointing(module, true);
    for (const auto& item : module.named_parameters()) {
      if (!item.value().requires_grad()) continue;
      parameters_.insert(model.name + "." + item.key(), item.value());
      optimized.push_back(item.value());
    }
    trained_.push_back({std::move(model), nullptr});
  }
  optimizer_ = std::make_unique<AdamW>(std::move(optimized), adamw_options_of(options));
  step_ = std::make_unique<OptimizerStep>(*optimizer_, step_options_of(options));
  if (!options.ema) return;
  for (auto& each : trained_) {
    each.ema = std::make_unique<EMAModel>(*each.model.module, *options.ema);
    step_->track(*each.ema, *each.model.module);
  }
}

void ModelOptimizer::save(TrainingCheckpoint& checkpoint) const {
  for (const auto& [model, ema] : trained_) {
    checkpoint.tensors[model.name] = state_dict(*model.module);
    if (ema) checkpoint.tensors["ema_" + model.name] = ema->shadow_params();
  }
  checkpoint.tensors[kOptimizerPart] = optimizer_state(*optimizer_, parameters_);
}

void ModelOptimizer::load(const TrainingCheckpoint& checkpoint) {
  for (auto& [model, ema] : trained_) {
    load_state_dict(*model.module, part_of(checkpoint, model.name));
    // A step of the optimizer is one of the averages.
    if (ema) {
      ema->load_state_dict(
          {ema->config(), checkpoint.step, part_of(checkpoint, "ema_" + model.name)});
    }
  }
  load_optimizer_state(*optimizer_, parameters_, part_of(checkpoint, kOptimizerPart));
  step_->set_progress({.step = checkpoint.step});
}

bool add_result(TrainingStep& step, const OptimizerStepResult& result, std::size_t pictures,
                int64_t losses) {
  step.loss += result.loss / static_cast<double>(losses);
  step.learning_rate = result.learning_rate;
  step.pictures += static_cast<int64_t>(pictures);
  if (result.grad_norm) step.more["grad_norm"] = *result.grad_norm;
  return result.stepped;
}

std::string named_pictures(const std::vector<std::string>& pictures) {
  std::string text;
  for (const auto& name : pictures)
    text += (text.empty() ? "; its pictures: " : ", ") + quote(name);
  return text;
}

ModelOptimizer::Inference::Inference(ModelOptimizer& optimizer) : optimizer_(optimizer) {
  for (auto& [model, ema] : optimizer_.trained_) {
    const auto parameters = model.module->parameters();
    if (ema) {
      ema->store(parameters);
      ema->copy_to(parameters);
    }
    model.module->eval();
  }
}

ModelOptimizer::Inference::~Inference() {
  for (auto& [model, ema] : optimizer_.trained_) {
    if (ema) ema->restore(model.module->parameters());
    model.module->train();
  }
}

}  // namespace xattn
