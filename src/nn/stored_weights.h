#pragma once

#include <c10/core/ScalarType.h>

namespace torch::nn {
class Module;
}

namespace xattn {

/// Whether `store_weights` takes this dtype.
bool can_store_weights_in(at::ScalarType dtype);

/// As `store_weights` of a module whose weights are about to be loaded: their values are lost, and
/// no memory of float32 is touched.
void allocate_stored_weights(torch::nn::Module& module, at::ScalarType dtype);

}  // namespace xattn
