#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "xattn/core/export.h"
#include "xattn/training/training_log.h"

namespace xattn {

/// Options of `draw_loss_curve`.
struct LossCurveOptions {
  int64_t width = 1280;
  int64_t height = 720;
  /// Over which part of the run the bold line is smoothed, 0 to 1. Entries count by e^(−d / m), d
  /// entries away on either side, where m is half that part.
  double smoothing = 0.02;
  /// Letters, digits and signs of ASCII.
  std::string title = "loss";
};

/// Draws the losses of a log by step: each of them faintly, their mean boldly. The axis of losses
/// is logarithmic where all are above 0.
///
/// Losses that are not finite are marked in red at the lower edge and counted. The highest and
/// lowest 1/500 do not widen the axis.
///
/// Result: uint8 `[height, width, 3]`, which `save_png` writes.
///
/// Throws: `ValueError` for no entries, sizes that are not 480 × 320 to 16384 × 16384, and a
/// smoothing outside 0…1.
XATTN_API at::Tensor draw_loss_curve(const std::vector<TrainingLogEntry>& entries,
                                     const LossCurveOptions& options = {});

}  // namespace xattn
