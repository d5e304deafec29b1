#pragma once

#include "xattn/core/export.h"
#include "xattn/schedulers/scheduler.h"

namespace xattn {

/// What the schedulers of models that predict noise share: ᾱ of each timestep of the training.
class XATTN_API NoiseScheduler : public Scheduler {
 public:
  int64_t num_train_timesteps() const override { return alphas_cumprod_.size(0); }

  /// ᾱ of each timestep, `[num_train_timesteps]`, float32 on the CPU.
  const at::Tensor& alphas_cumprod() const { return alphas_cumprod_; }

  at::Tensor add_noise_at(const Schedule& schedule, const at::Tensor& original_samples,
                          const at::Tensor& noise, int64_t i) const override;

 protected:
  explicit NoiseScheduler(at::Tensor alphas_cumprod) : alphas_cumprod_(std::move(alphas_cumprod)) {}

  at::Tensor alphas_cumprod_;
};

/// Schedulers whose samples are √ᾱ · picture + √(1 − ᾱ) · noise.
class XATTN_API AlphaScheduler : public NoiseScheduler {
 public:
  at::Tensor add_noise(const Schedule& schedule, const at::Tensor& original_samples,
                       const at::Tensor& noise, const at::Tensor& timesteps) const override;
  at::Tensor get_velocity(const at::Tensor& sample, const at::Tensor& noise,
                          const at::Tensor& timesteps) const override;

 protected:
  using NoiseScheduler::NoiseScheduler;
};

/// Schedulers whose samples are picture + σ · noise, and whose models take sample / √(σ² + 1).
class XATTN_API SigmaScheduler : public NoiseScheduler {
 public:
  at::Tensor scale_model_input(const Schedule& schedule, const at::Tensor& sample,
                               int64_t i) const override;
  at::Tensor add_noise(const Schedule& schedule, const at::Tensor& original_samples,
                       const at::Tensor& noise, const at::Tensor& timesteps) const override;
  at::Tensor add_noise_at(const Schedule& schedule, const at::Tensor& original_samples,
                          const at::Tensor& noise, int64_t i) const override;

 protected:
  using NoiseScheduler::NoiseScheduler;
};

/// Solvers in λ = log(α / σ), whose samples are α · picture + σ · noise at the run's noise levels.
class XATTN_API SolverScheduler : public NoiseScheduler {
 public:
  at::Tensor add_noise(const Schedule& schedule, const at::Tensor& original_samples,
                       const at::Tensor& noise, const at::Tensor& timesteps) const override;
  at::Tensor add_noise_at(const Schedule& schedule, const at::Tensor& original_samples,
                          const at::Tensor& noise, int64_t i) const override;

 protected:
  using NoiseScheduler::NoiseScheduler;
};

}  // namespace xattn
