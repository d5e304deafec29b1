#pragma once

#include <torch/optim/adamw.h>

#include "xattn/core/export.h"

namespace xattn {

/// `torch::optim::AdamW` whose step is one pass over each parameter's memory, where LibTorch's own
/// makes a dozen operations and their results.
///
/// m ← β₁ m + (1 − β₁) g; v ← β₂ v + (1 − β₂) g²; p ← p − lr · weight_decay · p − lr · m̂ / (√v̂ + ε)
/// with m̂ = m / (1 − β₁^t), v̂ = v / (1 − β₂^t); with `amsgrad` v̂ is the largest so far.
///
/// Options and state are torch's, so all that takes a `torch::optim::Optimizer` takes this.
///
/// Dtype and device: floating-point, on the CPU or CUDA; parameters without a gradient are left.
///
/// Reference: torch 2.13.0, torch/optim/adamw.py, `AdamW` with `fused=True`: its numbers to the bit
/// from the same gradients.
class XATTN_API AdamW : public torch::optim::AdamW {
 public:
  using torch::optim::AdamW::AdamW;

  at::Tensor step(LossClosure closure = nullptr) override;
};

}  // namespace xattn
