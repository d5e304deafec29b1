#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <ostream>

#include "xattn/core/export.h"

namespace xattn {

/// Options of `Timesteps`.
struct TimestepsOptions {
  TimestepsOptions(int64_t num_channels)
      : num_channels_(num_channels) {}  // NOLINT: as LibTorch's options

  TORCH_ARG(int64_t, num_channels);
  /// Whether the cosines come first.
  TORCH_ARG(bool, flip_sin_to_cos) = true;
  TORCH_ARG(double, downscale_freq_shift) = 0;
  /// What the angles are multiplied by.
  TORCH_ARG(double, scale) = 1;
};

/// Sines and cosines of each timestep at num_channels/2 frequencies.
///
/// angle(t, i) = scale · t · 10000^(−i / (num_channels/2 − downscale_freq_shift)).
///
/// Shapes: timesteps `[N]` of any dtype, returns `[N, num_channels]` of float32.
///
/// Throws: `ValueError` for num_channels below 2 and for timesteps of another shape.
///
/// Reference: diffusers 0.42.1, models/embeddings.py, `Timesteps`.
class XATTN_API TimestepsImpl : public torch::nn::Cloneable<TimestepsImpl> {
 public:
  explicit TimestepsImpl(const TimestepsOptions& options_);

  void reset() override;

  /// Pretty prints the `Timesteps` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  torch::Tensor forward(const torch::Tensor& timesteps);

  /// The options with which this `Module` was constructed.
  TimestepsOptions options;
};

/// A `ModuleHolder` subclass for `TimestepsImpl`.
TORCH_MODULE(Timesteps);

}  // namespace xattn
