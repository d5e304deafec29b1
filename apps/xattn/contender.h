#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <vector>

#include "xattn/io/checkpoint.h"

namespace xattn::apps {

/// One way to compute a module's output, to be timed against the others.
struct Contender {
  std::string name;
  /// What `choose_attention_path` took, or what was asked for.
  std::string path;
  /// Floating-point operations of one run.
  double flops;
  std::function<at::Tensor()> run;
};

/// The names that `make_contender` knows: xattn (the plain call), xattn-prepared, cpp-explicit,
/// cpp-sdpa.
const std::vector<std::string>& contender_names();

/// One of `contender_names` for the CrossAttention or SimpleUNet in a checkpoint, on inputs named
/// as forward's arguments.
Contender make_contender(const std::string& name, const Checkpoint& checkpoint,
                         const StateDict& inputs);

}  // namespace xattn::apps
