#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

#include "xattn/training/ema_model.h"
#include "xattn/training/image_transform.h"
#include "xattn/training/lr_scheduler.h"

namespace xattn {

/// What trainings of all models have in common; the names and the defaults are those of diffusers'
/// scripts, where they have them.
struct TrainingOptions {
  ImageTransformOptions transform = {};
  int64_t train_batch_size = 16;
  /// Threads that read pictures ahead.
  int64_t dataloader_num_workers = 1;
  /// Draws the order of the pictures and all that is drawn for each of them. Everything else is
  /// drawn by torch's own generator (`torch::manual_seed`).
  uint64_t seed = 0;

  double learning_rate = 1e-4;
  LRSchedulerConfig lr_scheduler = {};
  double adam_beta1 = 0.9, adam_beta2 = 0.999, adam_weight_decay = 1e-2, adam_epsilon = 1e-8;
  /// The norm that all gradients together are clipped to; none: they are not clipped.
  std::optional<double> max_grad_norm = 1.0;
  int64_t gradient_accumulation_steps = 1;
  bool gradient_checkpointing = false;
  /// bfloat16 (on a GPU also float16); none for the weights' float32 alone.
  std::optional<at::ScalarType> mixed_precision = std::nullopt;
  /// Whether weights and pictures lie with their channels side by side in memory. Numbers differ by
  /// rounding only; what is faster depends on the processor.
  bool channels_last = true;
  /// The averages of the weights, which are then what is shown and saved; none: the weights are.
  std::optional<EMAModelConfig> ema = std::nullopt;

  at::Device device = at::kCPU;
};

}  // namespace xattn
