#include "ops/cpu/group_norm_factors.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "ops/cpu/packed.h"

namespace xattn::cpu {

/// How many numbers, their mean, and the sum of the squares of what they differ from it.
struct Moments {
  double count = 0, mean = 0, squares = 0;

  // Chan, Golub and LeVeque, 1979: no large numbers are subtracted from each other.
  void add(const Moments& more) {
    const auto sum = count + more.count, difference = more.mean - mean;
    mean += difference * (more.count / sum);
    squares += more.squares + difference * difference * (count * more.count / sum);
    count = sum;
  }
};

namespace {

// Blocks of a run.
constexpr int64_t kRunBlockFloats = 64 << 10, kFewestPixels = 64;

// Sums of what differs from a number near the mean keep their digits. Near is the mean of some of
// the numbers, far apart.
constexpr int64_t kPlacesForNear = 4;

Moments moments_near(float near, int64_t count, double sum, double squares) {
  const auto all = static_cast<double>(count);
  // In this order a NaN stays.
  return {all, double{near} + sum / all, std::max(squares - sum * sum / all, 0.0)};
}

Moments moments_of(const float* x, int64_t count) {
  constexpr int64_t kNumbersOfPlace = 64;
  const auto& kernel = kernels();
  const auto places = count < kPlacesForNear * kNumbersOfPlace ? 1 : kPlacesForNear,
             numbers = std::min(count, kNumbersOfPlace);
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < places; ++i) {
    kernel.add_moments_alike(numbers, x + count / places * i, 0, &sum, &squares);
  }
  const auto near = static_cast<float>(sum / static_cast<double>(places * numbers));
  sum = squares = 0;
  kernel.add_moments_alike(count, x, near, &sum, &squares);
  return moments_near(near, count, sum, squares);
}

/// The moments of pixels' groups of channels; what a thread works in.
class MomentsOfPixels {
 public:
  MomentsOfPixels(int64_t channels, int64_t groups)
      : channels_(channels),
        groups_(groups),
        near_(channels),
        sums_(static_cast<std::size_t>(channels)),
        squares_(static_cast<std::size_t>(channels)) {}

  void take(const float* x, int64_t pixels, Moments* moments) {
    const auto places = std::min(kPlacesForNear, pixels), columns = channels_ / groups_;
    std::fill_n(near_.data(), channels_, 0.0F);
    add(x, places, pixels / places);
    for_each_group([&](int64_t group, double sum, double) {
      const auto near = static_cast<float>(sum / static_cast<double>(places * columns));
      std::fill_n(near_.data() + group * columns, columns, near);
    });
    add(x, pixels, 1);
    for_each_group([&](int64_t group, double sum, double squares) {
      moments[group] = moments_near(near_.data()[group * columns], pixels * columns, sum, squares);
    });
  }

 private:
  void add(const float* x, int64_t pixels, int64_t step) {
    kernel_.add_moments(pixels, channels_, {const_cast<float*>(x), step * channels_}, near_.data(),
                        sums_.data(), squares_.data());
  }

  /// Calls use(group, sum, sum of squares), and begins anew.
  template <typename Use>
  void for_each_group(const Use& use) {
    const auto columns = static_cast<std::size_t>(channels_ / groups_);
    std::size_t c = 0;
    for (int64_t group = 0; group < groups_; ++group) {
      double sum = 0, squares = 0;
      for (const auto end = c + columns; c < end; ++c) {
        sum += sums_[c];
        squares += squares_[c];
      }
      use(group, sum, squares);
    }
    std::fill(sums_.begin(), sums_.end(), 0);
    std::fill(squares_.begin(), squares_.end(), 0);
  }

  const Kernels& kernel_ = kernels();
  int64_t channels_, groups_;
  AlignedFloats near_;
  std::vector<double> sums_, squares_;
};

}  // namespace

GroupNormFactors::GroupNormFactors(const at::Tensor& x, const GroupNormSettings& settings,
                                   bool by_pixels)
    : settings_(settings),
      x_(x.const_data_ptr<float>()),
      batch_(x.size(0)),
      channels_(x.size(1)),
      by_pixels_(by_pixels),
      groups_of_run_(by_pixels ? settings.groups : 1),
      runs_(by_pixels ? batch_ : batch_ * settings.groups),
      run_(x.numel() / runs_),
      block_(std::min(
          run_, by_pixels ? std::max(kFewestPixels, kRunBlockFloats / channels_ / 8 * 8) * channels_
                          : kRunBlockFloats)),
      blocks_of_run_(divide_up(run_, block_)),
      factors_(3 * batch_ * channels_) {}

/// Of each run's blocks, of each block's groups.
std::vector<Moments> GroupNormFactors::moments_of_blocks(Runs runs) const {
  const auto blocks = runs.count * blocks_of_run_;
  std::vector<Moments> moments(static_cast<std::size_t>(blocks * groups_of_run_));
  const auto* const data = x_ + runs.first * run_;
  at::parallel_for(0, blocks, norm_grain(block_), [&](int64_t begin, int64_t end) {
    MomentsOfPixels of_pixels(by_pixels_ ? channels_ : 0, groups_of_run_);
    for (auto i = begin; i < end; ++i) {
      const auto first = i % blocks_of_run_ * block_, length = std::min(block_, run_ - first);
      const auto* const x = data + i / blocks_of_run_ * run_ + first;
      auto* const found = moments.data() + i * groups_of_run_;
      if (by_pixels_) {
        of_pixels.take(x, length / channels_, found);
      } else {
        *found = moments_of(x, length);
      }
    }
  });
  return moments;
}

// Only a float of the mean can be taken from x; the shift makes up for the rest of its digits.
void GroupNormFactors::take(Runs runs, const float* weight, const float* bias) const {
  const auto moments = moments_of_blocks(runs);
  const auto columns = channels_ / settings_.groups;
  auto *const means = factors_.data(), *const scales = means + batch_ * channels_,
              *const shifts = scales + batch_ * channels_;
  for (int64_t n = 0; n < runs.count * groups_of_run_; ++n) {
    Moments all;
    for (int64_t block = 0; block < blocks_of_run_; ++block) {
      const auto run = n / groups_of_run_, group = n % groups_of_run_;
      all.add(moments[static_cast<std::size_t>((run * blocks_of_run_ + block) * groups_of_run_ +
                                               group)]);
    }
    const auto i = runs.first * groups_of_run_ + n;
    const auto mean = static_cast<float>(all.mean);
    const auto inverse = 1 / std::sqrt(all.squares / all.count + settings_.eps);
    for (int64_t c = 0; c < columns; ++c) {
      const auto channel = i % settings_.groups * columns + c;
      const auto scale = inverse * weight[channel];
      const auto at = i * columns + c;
      means[at] = mean;
      scales[at] = static_cast<float>(scale);
      shifts[at] = static_cast<float>((bias ? bias[channel] : 0.0) - (all.mean - mean) * scale);
    }
  }
}

}  // namespace xattn::cpu
