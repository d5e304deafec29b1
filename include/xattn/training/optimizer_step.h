#pragma once

#include <ATen/core/Tensor.h>
#include <torch/optim/optimizer.h>

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "xattn/core/export.h"
#include "xattn/training/ema_model.h"
#include "xattn/training/lr_scheduler.h"

namespace xattn {

/// How losses become steps.
struct OptimizerStepOptions {
  /// How many losses, of a batch each, are averaged for a step.
  int64_t gradient_accumulation_steps = 1;
  /// The norm that all gradients together are clipped to; none: they are not clipped.
  std::optional<double> max_grad_norm = 1.0;
  LRSchedulerConfig lr_scheduler = {};
};

/// Where a training is: what a checkpoint keeps of `OptimizerStep`.
struct TrainingProgress {
  /// Steps of the optimizer that were made.
  int64_t step = 0;
  /// Losses since then, whose gradients no checkpoint has: one is written where this is 0.
  int64_t accumulated = 0;
};

/// What came of a loss.
struct OptimizerStepResult {
  double loss = 0;
  /// Whether the optimizer made its step: at the last loss of those averaged.
  bool stepped = false;
  /// The norm of all gradients before they were clipped; none where they are not, or no step was
  /// made.
  std::optional<double> grad_norm = std::nullopt;
  /// That of the step, made or to come, of the first group of parameters.
  double learning_rate = 0;
};

/// What follows a loss: its gradients and, at every k-th one, the clipping, the learning rate, the
/// optimizer's step and the averages.
///
/// The step of the optimizer is of the loss's mean over k batches; its learning rate is each
/// group's at first, times `lr_multiplier(lr_scheduler, steps made)`.
///
///     OptimizerStep step(optimizer, {.gradient_accumulation_steps = 4});
///     step.track(ema, *unet);
///     for (…) step(loss_of(batch));
///
/// The optimizer, the averages and the modules must live as long as this.
///
/// Reference: diffusers 0.42.1, examples/text_to_image/train_text_to_image.py, with accelerate's
/// `accumulate`; `torch::nn::utils::clip_grad_norm_`.
class XATTN_API OptimizerStep {
 public:
  /// Throws: `ValueError` for numbers out of range.
  explicit OptimizerStep(torch::optim::Optimizer& optimizer,
                         const OptimizerStepOptions& options = {});

  /// Keeps averages of a module's parameters up to date.
  void track(EMAModel& ema, const torch::nn::Module& module);

  /// Takes a loss, a scalar with a gradient.
  ///
  /// Throws: `NotFiniteError` for a loss or a norm of gradients that is not finite, before anything
  /// is changed but the gradients.
  OptimizerStepResult operator()(const at::Tensor& loss);

  const TrainingProgress& progress() const { return progress_; }
  /// For a training that goes on; gradients must be as they were then.
  ///
  /// Throws: `ValueError` for numbers that no training has.
  void set_progress(const TrainingProgress& progress);

 private:
  void set_learning_rate();
  double finite(const char* name, double value) const;

  torch::optim::Optimizer& optimizer_;
  OptimizerStepOptions options_;
  TrainingProgress progress_;
  /// Of each group, as they were at first, and of the optimizer.
  std::vector<double> learning_rates_;
  double learning_rate_;
  std::vector<std::pair<EMAModel*, std::vector<at::Tensor>>> averages_;
};

}  // namespace xattn
