#pragma once

#include <torch/nn/modules/common.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <ostream>

#include "xattn/core/export.h"
#include "xattn/nn/stored_weights.h"
#include "xattn/ops/conv2d.h"

namespace xattn {

/// Options of `Conv2d`: square kernels, as diffusion models have.
struct Conv2dOptions {
  Conv2dOptions(int64_t in_channels, int64_t out_channels, int64_t kernel_size)
      : in_channels_(in_channels), out_channels_(out_channels), kernel_size_(kernel_size) {}

  TORCH_ARG(int64_t, in_channels);
  TORCH_ARG(int64_t, out_channels);
  TORCH_ARG(int64_t, kernel_size);
  TORCH_ARG(int64_t, stride) = 1;
  TORCH_ARG(int64_t, padding) = 0;
  TORCH_ARG(bool, bias) = true;
};

/// `torch::nn::Conv2d` with a square kernel, which `SkipInitialization` spares from drawing
/// weights.
///
/// Shapes: `[B, in_channels, H, W]` to `[B, out_channels, H', W']`; how the result lies in memory
/// is said at `conv2d` of `ops/conv2d.h`. `weight` is
/// `[out_channels, in_channels, kernel_size, kernel_size]`; `store_weights` may keep it in a
/// narrower type.
///
/// Reference: torch 2.13.0, torch/nn/modules/conv.py, `Conv2d`.
class XATTN_API Conv2dImpl : public detail::StoredWeight<Conv2dImpl> {
 public:
  explicit Conv2dImpl(const Conv2dOptions& options_);

  void reset() override;

  /// Pretty prints the `Conv2d` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  /// `fusion`: what is computed with it, see `ops/conv2d.h`.
  torch::Tensor forward(const torch::Tensor& input, Conv2dFusion fusion = {});

  /// The options with which this `Module` was constructed.
  Conv2dOptions options;

  /// Undefined without bias.
  torch::Tensor bias;

 protected:
  FORWARD_HAS_DEFAULT_ARGS({1, torch::nn::AnyValue(Conv2dFusion())})
};

/// A `ModuleHolder` subclass for `Conv2dImpl`.
TORCH_MODULE(Conv2d);

}  // namespace xattn
