#pragma once

#include <torch/optim/adamw.h>

#include "xattn/core/export.h"
#include "xattn/io/state_dict.h"

namespace xattn {

/// What AdamW keeps from step to step, by the names of the parameters: "NAME.step" (a float32
/// scalar, as Python's), "NAME.exp_avg", "NAME.exp_avg_sq" and, with amsgrad,
/// "NAME.max_exp_avg_sq".
///
/// The tensors are the optimizer's own, but for the steps. A parameter that has had no step has
/// none.
///
/// Throws: `ValueError` for a parameter that the optimizer does not have, or has and is not named.
XATTN_API StateDict optimizer_state(const torch::optim::AdamW& optimizer,
                                    const StateDict& parameters);

/// Copies such a state into an optimizer of the same parameters.
///
/// Throws: as `optimizer_state`; `StateDictError` for names that are not a parameter's, for parts
/// that are missing, and for other shapes and dtypes. The optimizer is then as it was.
XATTN_API void load_optimizer_state(torch::optim::AdamW& optimizer, const StateDict& parameters,
                                    const StateDict& state);

}  // namespace xattn
