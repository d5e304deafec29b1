#include "ops/cpu/group_norm.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "ops/cpu/packed.h"

namespace xattn::cpu {
namespace {

/// Images channel by channel, or pixel by pixel.
class GroupNormalization {
 public:
  GroupNormalization(const at::Tensor& x, const GroupNormSettings& settings, const at::Tensor& out,
                     bool by_pixels)
      : factors_(x, settings, by_pixels),
        x_(const_cast<float*>(x.const_data_ptr<float>())),
        out_(out.data_ptr<float>()),
        channels_(x.size(1)),
        columns_(channels_ / settings.groups),
        pixels_(x.size(2) * x.size(3)),
        by_pixels_(by_pixels) {}

  void compute(const float* weight, const float* bias) const {
    // Some runs after the other: what was read for the moments is still in the last cache.
    const auto at_once = std::max<int64_t>(1, kCachedFloats / factors_.run());
    for (int64_t first = 0; first < factors_.runs(); first += at_once) {
      const Runs some = {first, std::min(at_once, factors_.runs() - first)};
      factors_.take(some, weight, bias);
      by_pixels_ ? normalize_by_pixels(some) : normalize_by_channels(some);
    }
  }

 private:
  using Runs = GroupNormFactors::Runs;
  static constexpr int64_t kCachedFloats = 512 << 10;

  void normalize_by_pixels(Runs runs) const {
    const auto blocks = factors_.blocks_of_run(), block = factors_.block(), run = factors_.run(),
               before = runs.first * blocks;
    at::parallel_for(
        before, before + runs.count * blocks, norm_grain(block), [&](int64_t begin, int64_t end) {
          for (auto i = begin; i < end; ++i) {
            const auto image = i / blocks, first = i % blocks * block, at = image * run + first;
            kernel_.normalize(std::min(block, run - first) / channels_, channels_,
                              {x_ + at, channels_}, factors_.from(image * channels_),
                              {out_ + at, channels_});
          }
        });
  }

  void normalize_by_channels(Runs runs) const {
    const auto before = runs.first * columns_;
    at::parallel_for(before, before + runs.count * columns_, norm_grain(pixels_),
                     [&](int64_t begin, int64_t end) {
                       for (auto i = begin; i < end; ++i) {
                         kernel_.normalize_alike(pixels_, x_ + i * pixels_, factors_.from(i),
                                                 out_ + i * pixels_);
                       }
                     });
  }

  const Kernels& kernel_ = kernels();
  GroupNormFactors factors_;
  float *x_, *out_;
  int64_t channels_, columns_, pixels_;
  bool by_pixels_;
};

at::Tensor images_of(const at::Tensor& x) {
  return x.dim() == 3 ? x.unsqueeze(2) : x;
}

}  // namespace

bool lies_by_pixels(const at::Tensor& x) {
  return images_of(x).suggest_memory_format() == at::MemoryFormat::ChannelsLast;
}

at::Tensor group_norm(const at::Tensor& x, const GroupNormSettings& settings,
                      const at::Tensor& weight, const at::Tensor& bias) {
  const auto images = images_of(x);
  const bool by_pixels = lies_by_pixels(x);
  const auto format = by_pixels ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
  const auto input = images.contiguous(format);
  const auto out = at::empty(images.sizes(), images.options(), format);
  const auto weights = weight.contiguous(), biases = bias.defined() ? bias.contiguous() : bias;
  GroupNormalization(input, settings, out, by_pixels)
      .compute(weights.const_data_ptr<float>(),
               biases.defined() ? biases.const_data_ptr<float>() : nullptr);
  return x.dim() == 3 ? out.squeeze(2) : out;
}

}  // namespace xattn::cpu
