#include "ops/cpu/winograd.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/upsample_nearest2d.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "ops/cpu/aligned_floats.h"
#include "ops/cpu/group_norm.h"
#include "ops/cpu/packed.h"
#include "ops/cpu/tile_source.h"

namespace xattn::cpu {
namespace {

/// Channels come in whole vectors, of any processor.
constexpr int64_t kVector = 16;
/// The longest sum of the innermost product, for the first cache and for rounding.
constexpr int64_t kWinogradPart = 384;
/// Channels whose weights for a panel are entered at once, and stay in the second cache.
int64_t channels_at_once() {
  return kernels().panel >= 32 ? 96 : 48;
}
/// Floats of a block's factors and products together: they stay in the last cache.
constexpr int64_t kBlockFloats = 2 << 20;
at::Tensor contiguous(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.contiguous() : tensor;
}

const float* floats_of(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr<float>() : nullptr;
}

/// Floats from one position's matrix to the next: they are used side by side, so their lines must
/// not be all of the same place in a cache.
int64_t apart(int64_t floats) {
  constexpr int64_t kPage = 1024, kLine = 16;
  return divide_up(floats, kPage) * kPage + kLine;
}

/// The same where they are used one after the other.
int64_t beside(int64_t floats) {
  constexpr int64_t kLine = 16;
  return floats + kLine;
}

class Convolution {
 public:
  /// `shift` has a number for each image and channel, or for each channel, or is undefined.
  Convolution(const WinogradTiles& tiles, const TileSource& source, const at::Tensor& weight,
              const at::Tensor& shift, const at::Tensor& residual, const at::Tensor& out)
      : tile_(tiles),
        source_(source),
        weight_(stored_matrix_of(weight)),
        shift_(floats_of(shift)),
        residual_(floats_of(residual)),
        out_(out.data_ptr<float>()),
        height_(out.size(2)),
        width_(out.size(3)),
        in_channels_(source.channels()),
        out_channels_(out.size(1)),
        shift_step_(shift.defined() && shift.dim() == 2 ? out_channels_ : 0),
        panels_(divide_up(out_channels_, kernel_.panel)),
        panel_floats_(in_channels_ * kernel_.panel),
        across_(divide_up(width_, tile_.out)),
        tiles_of_image_(divide_up(height_, tile_.out) * across_),
        tiles_(out.size(0) * tiles_of_image_) {}

  /// All tiles at once; each thread takes panels of the result's channels, and transforms their
  /// weights part by part. Factors of a part lie side by side, in the order in which they are read.
  void compute_by_channels() const {
    const auto part = std::min(in_channels_, channels_at_once());
    const auto factors_step = beside(tiles_ * part), part_step = positions_ * factors_step;
    const AlignedFloats factors(divide_up(in_channels_, part) * part_step);
    at::parallel_for(0, tiles_, 1, [&](int64_t begin, int64_t end) {
      for_each_row(begin, end - begin, [&](int64_t image, TileRow row, int64_t before) {
        for (int64_t c = 0; c < in_channels_; c += part) {
          const auto count = std::min(part, in_channels_ - c);
          source_.enter_some(image, read_by(row), c, count,
                             factors.data() + c / part * part_step + (begin + before) * count,
                             factors_step);
        }
      });
    });
    const auto weights_step = apart(part * kernel_.panel),
               products_step = apart(tiles_ * kernel_.panel);
    at::parallel_for(0, panels_, 1, [&](int64_t begin, int64_t end) {
      const AlignedFloats weights(positions_ * weights_step), products(positions_ * products_step);
      for (auto panel = begin; panel < end; ++panel) {
        const auto channel = panel * kernel_.panel,
                   channels = std::min(kernel_.panel, out_channels_ - channel);
        for (int64_t c = 0; c < in_channels_; c += part) {
          const auto count = std::min(part, in_channels_ - c);
          const bool is_last = c + count == in_channels_;
          enter_weights(panel, c, count, is_last ? panel + 1 : panel, is_last ? 0 : c + count,
                        weights.data(), weights_step);
          multiply(tiles_, channels, count, {factors.data() + c / part * part_step, factors_step},
                   {weights.data(), 0}, weights_step, {products.data(), products_step}, c > 0);
        }
        leave(0, tiles_, channel, channels, products.data(), products_step);
      }
    });
  }

  /// Weights first; then block by block of tiles, each by one thread from its pixels to its result.
  void compute_by_tiles() const {
    const auto weights_step = apart(panels_ * panel_floats_);
    const AlignedFloats weights(positions_ * weights_step);
    at::parallel_for(0, panels_, 1, [&](int64_t begin, int64_t end) {
      for (auto panel = begin; panel < end; ++panel) {
        enter_weights(panel, 0, in_channels_, panel + 1, 0, weights.data() + panel * panel_floats_,
                      weights_step);
      }
    });
    const int64_t threads = at::get_num_threads();
    // Smaller blocks would read the weights too often.
    const auto fitting = kBlockFloats / (positions_ * (in_channels_ + out_channels_));
    const auto blocks = divide_up(tiles_, std::clamp<int64_t>(fitting, 24, 96));
    const auto block = divide_up(tiles_, divide_up(blocks, threads) * threads);
    const auto factors_step = apart(block * in_channels_),
               products_step = apart(block * out_channels_);
    at::parallel_for(0, divide_up(tiles_, block), 1, [&](int64_t begin, int64_t end) {
      const AlignedFloats factors(positions_ * factors_step), products(positions_ * products_step),
          strip(source_.scratch());
      for (auto i = begin; i < end; ++i) {
        const auto first = i * block, tiles = std::min(block, tiles_ - first);
        enter(first, tiles, strip.data(), factors.data(), factors_step);
        multiply(tiles, out_channels_, in_channels_, {factors.data(), factors_step},
                 {weights.data(), panel_floats_}, weights_step, {products.data(), products_step},
                 /*adds=*/false);
        leave(first, tiles, 0, out_channels_, products.data(), products_step);
      }
    });
  }

 private:
  /// Calls use(image, tiles in a row, how many tiles came before).
  template <typename Use>
  void for_each_row(int64_t first, int64_t tiles, const Use& use) const {
    for (int64_t done = 0; done < tiles;) {
      const auto tile = (first + done) % tiles_of_image_, column = tile % across_;
      const auto count = std::min(tiles - done, across_ - column);
      use((first + done) / tiles_of_image_,
          TileRow{tile / across_ * tile_.out, column * tile_.out, count}, done);
      done += count;
    }
  }

  /// Those of a panel from an input channel on.
  StoredMatrix weights_from(int64_t panel, int64_t channel) const {
    return block_of(weight_, panel * kernel_.panel, 9 * channel);
  }

  /// Enters `count` channels of a panel's weights, and fetches those that are next.
  void enter_weights(int64_t panel, int64_t first, int64_t count, int64_t next_panel,
                     int64_t next_first, float* out, int64_t step) const {
    const auto* const next =
        next_panel < panels_ ? weights_from(next_panel, next_first).data : nullptr;
    tile_.enter_weights(count, std::min(kernel_.panel, out_channels_ - panel * kernel_.panel),
                        weights_from(panel, first), next, out, step);
  }

  /// What a row of tiles reads: a pixel more on each side.
  static TileRow read_by(TileRow row) { return {row.top - 1, row.left - 1, row.count}; }

  void enter(int64_t first, int64_t tiles, float* strip, float* factors, int64_t step) const {
    for_each_row(first, tiles, [&](int64_t image, TileRow row, int64_t before) {
      source_.enter(image, read_by(row), strip, factors + before * in_channels_, step);
    });
  }

  void leave(int64_t first, int64_t tiles, int64_t channel, int64_t channels, const float* products,
             int64_t step) const {
    for_each_row(first, tiles, [&](int64_t image, TileRow row, int64_t before) {
      const auto at = image * height_ * width_ * out_channels_ + channel;
      const Addends addends = {shift_ ? shift_ + image * shift_step_ + channel : nullptr,
                               residual_ ? residual_ + at : nullptr};
      tile_.leave_tiles(products + before * channels, step, row, addends,
                        {out_ + at, height_, width_, channels, out_channels_});
    });
  }

  /// Matrices of all positions, one behind the other.
  struct Positions {
    float* data;
    int64_t step;
  };

  /// For each position: the products `[tiles, channels]` of factors `[tiles, count]` and their
  /// weights, or their sum with what is there.
  void multiply(int64_t tiles, int64_t channels, int64_t count, Positions factors, Panels weights,
                int64_t weights_step, Positions products, bool adds) const {
    const auto part = divide_up(count, divide_up(count, kWinogradPart));
    for (int64_t position = 0; position < positions_; ++position) {
      for (int64_t c = 0; c < count; c += part) {
        kernel_.multiply_rows(tiles, channels, std::min(part, count - c), {factors.data + c, count},
                              from_row(weights, c), {products.data, channels},
                              {.adds = adds || c > 0, .fetches = true});
      }
      factors.data += factors.step;
      weights.data += weights_step;
      products.data += products.step;
    }
  }

  const Kernels& kernel_ = kernels();
  const WinogradTiles& tile_;
  const int64_t positions_ = tile_.positions();
  const TileSource& source_;
  /// `[out_channels, 9 · in_channels]`
  StoredMatrix weight_;
  const float *shift_, *residual_;
  float* out_;
  int64_t height_, width_, in_channels_, out_channels_, shift_step_, panels_, panel_floats_,
      across_, tiles_of_image_, tiles_;
};

const WinogradTiles& tiles_of(WinogradWay way) {
  return way.tile == 4 ? kernels().tiles : kernels().small_tiles;
}

constexpr auto kPixels = at::MemoryFormat::ChannelsLast;

GroupNormSettings settings_of(const GroupNormArguments& norm) {
  return {norm.groups, norm.eps, norm.activation == NormActivation::kSilu};
}

/// Whether nobody else sees what is written there. Memory that LibTorch did not allocate, for which
/// it is not resizable, is somebody's.
bool is_ours_alone(const at::Tensor& tensor) {
  return tensor.use_count() == 1 && tensor.storage().use_count() == 1 &&
         tensor.storage().resizable();
}

/// Where the result goes.
at::Tensor result_of(const at::Tensor& residual, at::IntArrayRef sizes,
                     const at::TensorOptions& options) {
  return residual.defined() && is_ours_alone(residual) ? residual
                                                       : at::empty(sizes, options, kPixels);
}

/// The factors that take the place of a norm.
std::optional<GroupNormFactors> factors_of(const at::Tensor& x,
                                           const std::optional<GroupNormArguments>& norm) {
  if (!norm) return std::nullopt;
  GroupNormFactors factors(x, settings_of(*norm), /*by_pixels=*/true);
  const auto weight = contiguous(norm->weight), bias = contiguous(norm->bias);
  factors.take({0, factors.runs()}, floats_of(weight), floats_of(bias));
  return factors;
}

}  // namespace

bool winograd_fits(int64_t in_channels, int64_t out_channels) {
  return in_channels > 0 && in_channels % kVector == 0 && out_channels % kVector == 0;
}

at::Tensor winograd_conv2d(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                           WinogradWay way, Conv2dFusion fusion) {
  const auto& tiles = tiles_of(way);
  const int64_t scale = fusion.enlarges ? 2 : 1, height = scale * x.size(2),
                width = scale * x.size(3);
  auto residual = std::move(fusion.residual);
  if (residual.defined()) residual = residual.contiguous(kPixels);
  const auto out = result_of(residual, {x.size(0), weight.size(0), height, width}, x.options());
  if (out.numel() == 0) return out;
  auto input = x.contiguous(kPixels);
  if (way.by_channels) {
    // Small maps stay in a cache, and tiles read pixels twice and more: each is normalised once.
    if (const auto& norm = fusion.norm) {
      input = group_norm(input, settings_of(*norm), norm->weight, norm->bias);
    }
    if (fusion.enlarges) {
      input = at::upsample_nearest2d(input, {height, width}).contiguous(kPixels);
    }
    fusion.norm.reset();
    fusion.enlarges = false;
  }
  const TileSource source(tiles, input, fusion.enlarges, factors_of(input, fusion.norm));
  const auto weights = weight.contiguous().flatten(1);
  auto shift = contiguous(bias);
  if (fusion.shift.defined()) {
    shift = bias.defined() ? fusion.shift.add(bias) : fusion.shift.contiguous();
  }
  const Convolution convolution(tiles, source, weights, shift, residual, out);
  way.by_channels ? convolution.compute_by_channels() : convolution.compute_by_tiles();
  return out;
}

}  // namespace xattn::cpu
