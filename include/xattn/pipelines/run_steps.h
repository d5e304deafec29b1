#pragma once

#include <cstdint>
#include <optional>

#include "xattn/core/export.h"
#include "xattn/schedulers/scheduler.h"

namespace xattn {

/// The steps of a schedule that a run takes: from `begin`, up to and without `end`.
struct RunSteps {
  int64_t begin = 0, end = 0;

  int64_t size() const { return end - begin; }
};

/// Which part of a schedule a run is.
struct RunStepsOptions {
  /// How much of a given picture is made anew, 0 to 1: the last ⌊steps · strength⌋ steps.
  double strength = 1;
  /// Where of the training's timesteps the run begins and ends, as a part, 0 to 1: 0.8 means after
  /// 80 % of the noise. Of `denoising_start`, `strength` has no say.
  std::optional<double> denoising_start = std::nullopt, denoising_end = std::nullopt;
};

/// The steps that a run takes.
///
/// Throws: `ValueError` for a strength outside 0 to 1, and for a `denoising_start` that is not
/// below `denoising_end`.
///
/// Reference: diffusers 0.42.1, pipelines/stable_diffusion_xl/
/// pipeline_stable_diffusion_xl_img2img.py, `get_timesteps` and step 9.1 of `__call__`.
XATTN_API RunSteps run_steps(const Scheduler& scheduler, const Schedule& schedule,
                             const RunStepsOptions& options);

}  // namespace xattn
