#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "xattn/core/export.h"

namespace xattn {

/// How a layer is computed.
struct LayerChoice {
  /// "xattn" or "libtorch"; of a 3×3 convolution "winograd 4x4 by tiles" and the like; of cross
  /// attention an `AttentionPath`.
  std::string algorithm;
  /// What each algorithm took when it was measured, in seconds.
  std::map<std::string, double> seconds = {};
  /// How often it was computed under this plan.
  int64_t uses = 0;
};

/// Which algorithm each layer takes, by what it computes of which shapes: "conv2d 3x3
/// 1x320x64x64->320". For float32 on the CPU without gradient, where there is a choice.
///
/// A plan is of one processor and number of threads. `save_plan` writes it, `load_plan` reads it.
struct Plan {
  std::map<std::string, LayerChoice> layers = {};
};

enum class Planning {
  /// What a plan does not know is decided by processor and shape, as without one.
  kEstimate,
  /// It is measured, each algorithm some times in turn. The first pass takes longer, then.
  kMeasure,
};

/// While one lives, what this thread runs takes the algorithms of a plan, which is told the others.
///
///     xattn::Plan plan;
///     {
///       const xattn::UsePlan measure(plan, xattn::Planning::kMeasure);
///       unet->forward(sample, timestep, text);  // once, for its layers' shapes
///     }
///     xattn::save_plan("unet.plan.json", plan);
///
/// A plan is one thread's at a time: for several, copy it. A layer that it gives an algorithm that
/// there is not throws ValueError. How cross attention is computed is not measured, only told: its
/// costs are known (`choose_attention_path`).
class XATTN_API UsePlan {
 public:
  explicit UsePlan(Plan& plan, Planning planning = Planning::kEstimate);
  ~UsePlan();
  UsePlan(const UsePlan&) = delete;
  UsePlan& operator=(const UsePlan&) = delete;

 private:
  Plan* plan_before_;
  Planning planning_before_;
};

}  // namespace xattn
