#pragma once

#include <ATen/core/Tensor.h>

#include "xattn/core/export.h"
#include "xattn/schedulers/noise_scheduler.h"

namespace xattn {

/// The ratio of signal to noise at timesteps: SNR = ᾱ / (1 − ᾱ).
///
/// Shapes: timesteps `[B]`, 0 to num_train_timesteps − 1; returns `[B]`, float32, on their device.
///
/// Throws: `ValueError` for timesteps of another shape or dtype or out of range.
///
/// Reference: diffusers 0.42.1, training_utils.py, `compute_snr`.
XATTN_API at::Tensor compute_snr(const NoiseScheduler& scheduler, const at::Tensor& timesteps);

}  // namespace xattn
