#pragma once

#include "xattn/core/export.h"

namespace xattn {

/// How exact float32 on the CPU is, where faster algorithms round more than the definition does.
enum class Precision {
  /// A whole model's output is within 1e-5 of Python's, relative to its largest: 3×3 convolutions
  /// take Winograd's F(4×4, 3×3). The default.
  kFast,
  /// Within 3e-6: F(2×2, 3×3) at most.
  kPrecise,
};

/// While one lives, what this thread runs has such a precision.
///
///     const xattn::UsePrecision precise(xattn::Precision::kPrecise);
///     const auto output = unet->forward(sample, timestep, text);
class XATTN_API UsePrecision {
 public:
  explicit UsePrecision(Precision precision);
  ~UsePrecision();
  UsePrecision(const UsePrecision&) = delete;
  UsePrecision& operator=(const UsePrecision&) = delete;

  /// This thread's.
  static Precision current();

 private:
  Precision before_;
};

}  // namespace xattn
