#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "xattn/core/export.h"
#include "xattn/io/state_dict.h"

namespace xattn {

/// How fast an average forgets.
struct EMAModelConfig {
  /// The most that is kept of the average in a step, 0 to 1.
  double decay = 0.9999;
  double min_decay = 0.0;
  /// For so many steps the average is the parameters themselves.
  int64_t update_after_step = 0;
  /// Whether the decay grows as 1 − (1 + step / inv_gamma)^−power, and not as (1 + step) / (10 +
  /// step).
  bool use_ema_warmup = false;
  double inv_gamma = 1.0;
  double power = 2.0 / 3;
};

/// All that an `EMAModel` is: what a checkpoint keeps of it. Names are the original's.
struct EMAModelState {
  EMAModelConfig config;
  int64_t optimization_step = 0;
  StateDict shadow_params;
};

/// The exponential moving average of a model's parameters, which makes better pictures than the
/// parameters do.
///
/// shadow ← shadow + (1 − decay) · (parameter − shadow) after each step; parameters that need no
/// gradient are copied.
///
/// Shapes, dtypes and devices: those of the parameters that it was made of; where it is given
/// parameters, they are the same ones, in the same order.
///
/// Throws: `ValueError` for numbers out of range, and for parameters of another number, shape or
/// dtype.
///
/// Reference: diffusers 0.42.1, training_utils.py, `EMAModel`; `foreach` is of no effect here.
class XATTN_API EMAModel {
 public:
  explicit EMAModel(const torch::nn::Module& module, const EMAModelConfig& config = {});
  /// Copies the parameters.
  explicit EMAModel(const StateDict& parameters, const EMAModelConfig& config = {});

  /// The decay of a step; steps are counted from 1.
  double get_decay(int64_t optimization_step) const;

  /// After a step of the optimizer.
  void step(const std::vector<at::Tensor>& parameters);

  /// Gives the parameters the averages' values.
  void copy_to(const std::vector<at::Tensor>& parameters) const;

  /// Keeps the parameters' values for `restore`, on the CPU.
  void store(const std::vector<at::Tensor>& parameters);
  /// Gives them back, once.
  ///
  /// Throws: `ValueError` where nothing was stored.
  void restore(const std::vector<at::Tensor>& parameters);

  const EMAModelConfig& config() const { return state_.config; }
  int64_t optimization_step() const { return state_.optimization_step; }
  /// The last step's decay; none before the first step.
  std::optional<double> cur_decay_value() const { return cur_decay_value_; }
  /// The averages by the parameters' names: they change with each step.
  const StateDict& shadow_params() const { return state_.shadow_params; }

  /// Its tensors are the averages themselves: they change with each step.
  const EMAModelState& state_dict() const { return state_; }
  /// Copies a state into this.
  ///
  /// Throws besides: `StateDictError` for other names, shapes or dtypes.
  void load_state_dict(const EMAModelState& state);

 private:
  void check(const std::vector<at::Tensor>& parameters) const;

  EMAModelState state_;
  std::optional<double> cur_decay_value_;
  std::vector<at::Tensor> stored_;
};

}  // namespace xattn
