#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "ops/cpu/aligned_floats.h"
#include "ops/cpu/kernels.h"

namespace xattn::cpu {

struct Moments;

/// A group norm of images: which groups, and what to divide and to follow by.
struct GroupNormSettings {
  int64_t groups;
  double eps;
  /// Whether a SiLU follows.
  bool silu;
};

/// What a group norm does to each channel of each image: (x - mean) · scale + shift.
///
/// Images `[B, C, H, W]` lie densely, pixel by pixel or channel by channel. They are runs of
/// numbers of which all groups are: an image pixel by pixel, or a group's channels. Blocks of a run
/// depend on the shape alone, and so does each sum.
class GroupNormFactors {
 public:
  struct Runs {
    int64_t first, count;
  };

  GroupNormFactors(const at::Tensor& x, const GroupNormSettings& settings, bool by_pixels);

  /// Takes the moments of some runs, on all threads, and makes their factors.
  void take(Runs runs, const float* weight, const float* bias) const;

  /// Those from a channel on, counted over all images.
  Normalization from(int64_t channel) const {
    const auto* const means = factors_.data() + channel;
    return {means, means + batch_ * channels_, means + 2 * batch_ * channels_, settings_.silu};
  }

  int64_t runs() const { return runs_; }
  /// Numbers of a run, and of a block of it.
  int64_t run() const { return run_; }
  int64_t block() const { return block_; }
  int64_t blocks_of_run() const { return blocks_of_run_; }

 private:
  std::vector<Moments> moments_of_blocks(Runs runs) const;

  GroupNormSettings settings_;
  const float* x_;
  int64_t batch_, channels_;
  bool by_pixels_;
  int64_t groups_of_run_, runs_, run_, block_, blocks_of_run_;
  AlignedFloats factors_;
};

/// Pieces of so many floats for which a thread is worth waking.
inline int64_t norm_grain(int64_t floats) {
  constexpr int64_t kGrainFloats = 16 << 10;
  return floats < kGrainFloats ? kGrainFloats / floats : 1;
}

}  // namespace xattn::cpu
