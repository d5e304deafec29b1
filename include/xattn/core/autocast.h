#pragma once

#include <c10/core/DeviceType.h>
#include <c10/core/ScalarType.h>

#include "xattn/core/export.h"

namespace xattn {

/// Mixed precision while it lives, in the thread that made it: Python's `torch.autocast`, which
/// LibTorch has no class for.
///
/// Multiplications and convolutions are computed in `dtype`, what needs precision in float32;
/// parameters and their gradients keep their dtype. The loss's `backward()` is called outside.
///
///     { const Autocast autocast(at::kCPU); loss = model(…); }
///     loss.backward();
///
/// Reference: torch 2.13.0, torch/amp/autocast_mode.py, `autocast`.
class XATTN_API Autocast {
 public:
  /// `cache`: whether a parameter that is used twice is converted once.
  explicit Autocast(at::DeviceType device_type, at::ScalarType dtype = at::kBFloat16,
                    bool enabled = true, bool cache = true);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  at::DeviceType device_type_;
  bool was_enabled_, was_cached_;
  at::ScalarType dtype_before_;
};

}  // namespace xattn
