#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <ostream>

#include "xattn/core/export.h"
#include "xattn/nn/linear.h"

namespace xattn {

/// The activation functions of CLIP's text encoders.
enum class CLIPActivation {
  /// x σ(1.702 x): OpenAI's.
  kQuickGelu,
  /// x Φ(x): OpenCLIP's.
  kGelu,
};

/// Options of `CLIPMLP`.
struct CLIPMLPOptions {
  CLIPMLPOptions(int64_t hidden_size, int64_t intermediate_size)
      : hidden_size_(hidden_size), intermediate_size_(intermediate_size) {}

  TORCH_ARG(int64_t, hidden_size);
  TORCH_ARG(int64_t, intermediate_size);
  TORCH_ARG(CLIPActivation, hidden_act) = CLIPActivation::kQuickGelu;
};

/// Two linear layers with an activation between: fc2(act(fc1(x))).
///
/// Shapes: `[..., hidden_size]` to the same.
///
/// Throws: `ValueError` for sizes below 1.
///
/// Reference: transformers 5.23.0, models/clip/modeling_clip.py, `CLIPMLP`.
class XATTN_API CLIPMLPImpl : public torch::nn::Cloneable<CLIPMLPImpl> {
 public:
  explicit CLIPMLPImpl(const CLIPMLPOptions& options_);

  void reset() override;

  /// Pretty prints the `CLIPMLP` module into the given `stream`.
  void pretty_print(std::ostream& stream) const override;

  torch::Tensor forward(const torch::Tensor& hidden_states);

  /// The options with which this `Module` was constructed.
  CLIPMLPOptions options;

  Linear fc1 = nullptr;
  Linear fc2 = nullptr;
};

/// A `ModuleHolder` subclass for `CLIPMLPImpl`.
TORCH_MODULE(CLIPMLP);

}  // namespace xattn
