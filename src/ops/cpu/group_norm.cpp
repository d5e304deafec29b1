#include "ops/cpu/group_norm.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/cpu/aligned_floats.h"
#include "ops/cpu/packed.h"

namespace xattn::cpu {
namespace {

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

/// Numbers side by side in memory of which each `width` are a row, and the groups of its columns.
struct GroupRun {
  const float* data;
  int64_t length, width, groups;
};

/// Takes the moments of runs; what a thread works in.
class MomentsOfRuns {
 public:
  explicit MomentsOfRuns(int64_t width)
      : near_(width),
        sums_(static_cast<std::size_t>(width)),
        squares_(static_cast<std::size_t>(width)) {}

  /// `moments` are those of each group.
  void take(GroupRun run, Moments* moments) {
    run.width = std::min(run.width, run.length);
    const auto rows = run.length / run.width, rest = run.length % run.width;
    // Sums of what differs from a number near the mean keep their digits: near is the mean of some
    // rows far apart.
    const auto some = std::min(kRowsForNear, rows);
    std::fill_n(near_.data(), run.width, 0.0F);
    add(some, run.width, run.data, rows / some * run.width);
    for_each_group(run, [&](int64_t group, double sum, double, int64_t columns) {
      const auto near = static_cast<float>(sum / static_cast<double>(some * columns));
      std::fill_n(near_.data() + group * columns, columns, near);
    });
    add(rows, run.width, run.data, run.width);
    if (rest > 0) add(1, rest, run.data + rows * run.width, rest);
    for_each_group(run, [&](int64_t group, double sum, double squares, int64_t columns) {
      const auto count = static_cast<double>(rows * columns + rest);
      // In this order a NaN stays.
      moments[group] = {count, double{near_.data()[group * columns]} + sum / count,
                        std::max(squares - sum * sum / count, 0.0)};
    });
  }

 private:
  static constexpr int64_t kRowsForNear = 4;

  void add(int64_t rows, int64_t columns, const float* data, int64_t row_step) {
    kernel_.add_moments(rows, columns, {const_cast<float*>(data), row_step}, near_.data(),
                        sums_.data(), squares_.data());
  }

  /// Calls use(group, sum, sum of squares, columns of a group), and begins anew.
  template <typename Use>
  void for_each_group(const GroupRun& run, const Use& use) {
    const auto columns = run.width / run.groups;
    for (int64_t group = 0, c = 0; group < run.groups; ++group) {
      double sum = 0, squares = 0;
      for (const auto end = c + columns; c < end; ++c) {
        const auto i = static_cast<std::size_t>(c);
        sum += sums_[i];
        squares += squares_[i];
      }
      use(group, sum, squares, columns);
    }
    std::fill(sums_.begin(), sums_.end(), 0);
    std::fill(squares_.begin(), squares_.end(), 0);
  }

  const Kernels& kernel_ = kernels();
  AlignedFloats near_;
  std::vector<double> sums_, squares_;
};

/// Images channel by channel, or pixel by pixel.
class GroupNormalization {
 public:
  GroupNormalization(const at::Tensor& x, const GroupNormSettings& settings, const at::Tensor& out,
                     bool by_pixels)
      : settings_(settings),
        x_(x.const_data_ptr<float>()),
        out_(out.data_ptr<float>()),
        batch_(x.size(0)),
        channels_(x.size(1)),
        pixels_(x.size(2) * x.size(3)),
        by_pixels_(by_pixels),
        width_(by_pixels ? channels_ : kWidth),
        groups_of_run_(by_pixels ? settings.groups : 1),
        runs_(by_pixels ? batch_ : batch_ * settings.groups),
        run_(x.numel() / runs_),
        block_(std::max(kFewestRows, kBlockFloats / width_ / 8 * 8) * width_),
        blocks_of_run_(divide_up(run_, block_)),
        factors_(3 * batch_ * channels_) {}

  void compute(const float* weight, const float* bias) const {
    make_factors(take_moments(), weight, bias);
    by_pixels_ ? normalize_by_pixels() : normalize_by_channels();
  }

 private:
  // Blocks depend on the shape alone, and so does each sum.
  static constexpr int64_t kBlockFloats = 64 << 10, kFewestRows = 64;
  // Columns of a row where the pixels of a channel lie side by side: for sums, and for factors,
  // which are the same for all.
  static constexpr int64_t kWidth = 256, kFactors = 64;

  /// Of each run's blocks, of each block's groups.
  std::vector<Moments> take_moments() const {
    std::vector<Moments> moments(static_cast<std::size_t>(runs_ * blocks_of_run_ * groups_of_run_));
    at::parallel_for(0, runs_ * blocks_of_run_, grain(block_), [&](int64_t begin, int64_t end) {
      MomentsOfRuns of_runs(width_);
      for (auto i = begin; i < end; ++i) {
        const auto first = i % blocks_of_run_ * block_;
        const GroupRun run = {x_ + i / blocks_of_run_ * run_ + first, std::min(block_, run_ - first),
                         width_, groups_of_run_};
        of_runs.take(run, moments.data() + i * groups_of_run_);
      }
    });
    return moments;
  }

  /// Factors of each channel: (x - mean) · scale + shift. Only a float of the mean can be taken
  /// from x; the shift makes up for the rest of its digits.
  void make_factors(const std::vector<Moments>& moments, const float* weight,
                    const float* bias) const {
    const auto columns = channels_ / settings_.groups;
    for (int64_t i = 0; i < batch_ * settings_.groups; ++i) {
      Moments all;
      for (int64_t block = 0; block < blocks_of_run_; ++block) {
        const auto run = i / groups_of_run_, group = i % groups_of_run_;
        all.add(moments[static_cast<std::size_t>((run * blocks_of_run_ + block) * groups_of_run_ +
                                                 group)]);
      }
      const auto mean = static_cast<float>(all.mean);
      const auto inverse = 1 / std::sqrt(all.squares / all.count + settings_.eps);
      for (int64_t c = 0; c < columns; ++c) {
        const auto channel = i % settings_.groups * columns + c;
        const auto scale = inverse * weight[channel];
        const auto at = i * columns + c;
        means()[at] = mean;
        scales()[at] = static_cast<float>(scale);
        shifts()[at] = static_cast<float>((bias ? bias[channel] : 0.0) - (all.mean - mean) * scale);
      }
    }
  }

  void normalize_by_pixels() const {
    const auto blocks = batch_ * blocks_of_run_;
    at::parallel_for(0, blocks, grain(block_), [&](int64_t begin, int64_t end) {
      // What was read last is still in the cache.
      for (auto i = end; i-- > begin;) {
        const auto image = i / blocks_of_run_, first = i % blocks_of_run_ * block_,
                   c = image * channels_, at = image * run_ + first;
        kernel_.normalize(
            std::min(block_, run_ - first) / channels_, channels_, input(at, channels_),
            {means() + c, scales() + c, shifts() + c, settings_.silu}, {out_ + at, channels_});
      }
    });
  }

  void normalize_by_channels() const {
    const auto width = std::min(kFactors, pixels_), rows = pixels_ / width, rest = pixels_ % width;
    at::parallel_for(0, batch_ * channels_, grain(pixels_), [&](int64_t begin, int64_t end) {
      const AlignedFloats factors(3 * width);
      float *const mean = factors.data(), *const scale = mean + width, *const shift = scale + width;
      const Normalization norm = {mean, scale, shift, settings_.silu};
      for (auto i = end; i-- > begin;) {
        std::fill_n(mean, width, means()[i]);
        std::fill_n(scale, width, scales()[i]);
        std::fill_n(shift, width, shifts()[i]);
        const auto at = i * pixels_, last = at + rows * width;
        kernel_.normalize(rows, width, input(at, width), norm, {out_ + at, width});
        if (rest > 0) kernel_.normalize(1, rest, input(last, rest), norm, {out_ + last, rest});
      }
    });
  }

  /// Pieces of work for which a thread is worth waking.
  static int64_t grain(int64_t floats) { return std::max<int64_t>(1, kGrainFloats / floats); }
  static constexpr int64_t kGrainFloats = 16 << 10;

  Matrix input(int64_t at, int64_t row_step) const {
    return {const_cast<float*>(x_) + at, row_step};
  }
  float* means() const { return factors_.data(); }
  float* scales() const { return means() + batch_ * channels_; }
  float* shifts() const { return scales() + batch_ * channels_; }

  const Kernels& kernel_ = kernels();
  GroupNormSettings settings_;
  const float* x_;
  float* out_;
  int64_t batch_, channels_, pixels_;
  bool by_pixels_;
  /// Runs of numbers of which all groups are: an image pixel by pixel, or a group's channels.
  int64_t width_, groups_of_run_, runs_, run_, block_, blocks_of_run_;
  AlignedFloats factors_;
};

}  // namespace

at::Tensor group_norm(const at::Tensor& x, const GroupNormSettings& settings,
                      const at::Tensor& weight, const at::Tensor& bias) {
  const auto images = x.dim() == 3 ? x.unsqueeze(2) : x;
  const auto format = images.suggest_memory_format();
  const auto input = images.contiguous(format);
  const auto out = at::empty(images.sizes(), images.options(), format);
  const auto weights = weight.contiguous(), biases = bias.defined() ? bias.contiguous() : bias;
  const bool by_pixels = format == at::MemoryFormat::ChannelsLast;
  GroupNormalization(input, settings, out, by_pixels)
      .compute(weights.const_data_ptr<float>(),
               biases.defined() ? biases.const_data_ptr<float>() : nullptr);
  return x.dim() == 3 ? out.squeeze(2) : out;
}

}  // namespace xattn::cpu
