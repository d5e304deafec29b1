#include "ops/cpu/winograd.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "ops/cpu/aligned_floats.h"
#include "ops/cpu/packed.h"

namespace xattn::cpu {
namespace {

/// Channels come in whole vectors, of any processor.
constexpr int64_t kVector = 16;
/// The longest sum of the innermost product, for the first cache and for rounding.
constexpr int64_t kWinogradPart = 384;
/// Channels whose weights for a panel are entered at once, and stay in the second cache.
int64_t channels_at_once() {
  return kernels().panel >= 32 ? 64 : 48;
}
/// Floats of a block's factors and products together: they stay in the last cache.
constexpr int64_t kBlockFloats = 2 << 20;
/// Images of so few products for a pair of channels are one block, whose weights each thread
/// transforms when it needs them: 64 large tiles.
constexpr int64_t kFewProducts = 64 * 36;

/// Floats from one position's matrix to the next: they are used side by side, so their lines must
/// not be all of the same place in a cache.
int64_t apart(int64_t floats) {
  constexpr int64_t kPage = 1024, kLine = 16;
  return divide_up(floats, kPage) * kPage + kLine;
}

/// Weights to fetch into the second cache while products are computed, some of each row for each
/// position: nothing else waits for memory then, and no processor foresees so many rows.
struct RowsToFetch {
  const char* data = nullptr;
  int64_t rows = 0, row_bytes = 0, bytes = 0;

  void fetch(int64_t position, int64_t positions) const {
    constexpr int64_t kLineBytes = 64;
    const auto lines = divide_up(bytes, kLineBytes), some = divide_up(lines, positions);
    for (int64_t row = 0; row < rows; ++row) {
      for (auto i = position * some; i < std::min(lines, (position + 1) * some); ++i) {
        __builtin_prefetch(data + row * row_bytes + i * kLineBytes, 0, 2);
      }
    }
  }
};

class Convolution {
 public:
  Convolution(const WinogradTiles& tiles, const at::Tensor& x, const at::Tensor& weight,
              const at::Tensor& bias, const at::Tensor& out)
      : tile_(tiles),
        x_(x.const_data_ptr<float>()),
        weight_(stored_matrix_of(weight)),
        bias_(bias.defined() ? bias.const_data_ptr<float>() : nullptr),
        out_(out.data_ptr<float>()),
        height_(x.size(2)),
        width_(x.size(3)),
        in_channels_(x.size(1)),
        out_channels_(out.size(1)),
        panels_(divide_up(out_channels_, kernel_.panel)),
        panel_floats_(in_channels_ * kernel_.panel),
        tiles_of_image_(divide_up(height_, tile_.out) * divide_up(width_, tile_.out)),
        tiles_(x.size(0) * tiles_of_image_) {}

  void compute() const {
    if (tiles_ * positions_ <= kFewProducts) return compute_by_channels();
    compute_by_tiles();
  }

 private:
  /// All tiles at once; each thread takes panels of the result's channels, and transforms their
  /// weights part by part.
  void compute_by_channels() const {
    const auto factors_step = apart(tiles_ * in_channels_);
    const AlignedFloats factors(positions_ * factors_step);
    at::parallel_for(0, tiles_, 1, [&](int64_t begin, int64_t end) {
      enter(begin, end - begin, factors.data() + begin * in_channels_, factors_step);
    });
    const auto part = std::min(in_channels_, channels_at_once());
    const auto weights_step = apart(part * kernel_.panel),
               products_step = apart(tiles_ * kernel_.panel);
    at::parallel_for(0, panels_, 1, [&](int64_t begin, int64_t end) {
      const AlignedFloats weights(positions_ * weights_step), products(positions_ * products_step);
      for (auto panel = begin; panel < end; ++panel) {
        const auto channel = panel * kernel_.panel,
                   channels = std::min(kernel_.panel, out_channels_ - channel);
        std::fill_n(products.data(), positions_ * products_step, 0.0F);
        for (int64_t c = 0; c < in_channels_; c += part) {
          const auto count = std::min(part, in_channels_ - c);
          enter_weights(panel, c, count, weights.data(), weights_step);
          const bool is_last = c + count == in_channels_;
          const auto next =
              next_weights(is_last ? panel + 1 : panel, is_last ? 0 : c + count, part);
          multiply(tiles_, channels, count, {factors.data() + c, factors_step}, {weights.data(), 0},
                   weights_step, {products.data(), products_step}, next);
        }
        leave(0, tiles_, channel, channels, products.data(), products_step);
      }
    });
  }

  /// Block by block of tiles, each by one thread from its pixels to its result.
  void compute_by_tiles() const {
    const auto weights_step = apart(panels_ * panel_floats_);
    const AlignedFloats weights(positions_ * weights_step);
    at::parallel_for(0, panels_, 1, [&](int64_t begin, int64_t end) {
      for (auto panel = begin; panel < end; ++panel) {
        enter_weights(panel, 0, in_channels_, weights.data() + panel * panel_floats_, weights_step);
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
      const AlignedFloats factors(positions_ * factors_step), products(positions_ * products_step);
      for (auto i = begin; i < end; ++i) {
        const auto first = i * block, tiles = std::min(block, tiles_ - first);
        enter(first, tiles, factors.data(), factors_step);
        std::fill_n(products.data(), positions_ * products_step, 0.0F);
        multiply(tiles, out_channels_, in_channels_, {factors.data(), factors_step},
                 {weights.data(), panel_floats_}, weights_step, {products.data(), products_step});
        leave(first, tiles, 0, out_channels_, products.data(), products_step);
      }
    });
  }

  /// Calls use(image, its first tile, how many, how many tiles came before).
  template <typename Use>
  void for_each_image(int64_t first, int64_t tiles, const Use& use) const {
    for (int64_t done = 0; done < tiles;) {
      const auto tile = (first + done) % tiles_of_image_;
      const auto count = std::min(tiles - done, tiles_of_image_ - tile);
      use((first + done) / tiles_of_image_, tile, count, done);
      done += count;
    }
  }

  void enter_weights(int64_t panel, int64_t first, int64_t count, float* out, int64_t step) const {
    const auto channel = panel * kernel_.panel;
    tile_.enter_weights(count, std::min(kernel_.panel, out_channels_ - channel),
                        block_of(weight_, channel, 9 * first), out, step);
  }

  void enter(int64_t first, int64_t tiles, float* factors, int64_t step) const {
    for_each_image(first, tiles, [&](int64_t image, int64_t tile, int64_t count, int64_t before) {
      auto* const pixels = const_cast<float*>(x_) + image * height_ * width_ * in_channels_;
      tile_.enter_tiles({pixels, height_, width_, in_channels_}, tile, count,
                        factors + before * in_channels_, step);
    });
  }

  void leave(int64_t first, int64_t tiles, int64_t channel, int64_t channels, const float* products,
             int64_t step) const {
    for_each_image(first, tiles, [&](int64_t image, int64_t tile, int64_t count, int64_t before) {
      auto* const pixels = out_ + image * height_ * width_ * out_channels_ + channel;
      tile_.leave_tiles(products + before * channels, step, tile, count, channels,
                        bias_ ? bias_ + channel : nullptr,
                        {pixels, height_, width_, out_channels_});
    });
  }

  RowsToFetch next_weights(int64_t panel, int64_t first, int64_t count) const {
    const auto channel = panel * kernel_.panel;
    if (channel >= out_channels_) return {};
    const auto size = size_of(weight_.type);
    return {static_cast<const char*>(block_of(weight_, channel, 9 * first).data),
            std::min(kernel_.panel, out_channels_ - channel), weight_.row_step * size,
            9 * std::min(count, in_channels_ - first) * size};
  }

  /// Matrices of all positions, one behind the other.
  struct Positions {
    float* data;
    int64_t step;
  };

  /// For each position: adds to the products `[tiles, channels]` what `count` channels of the
  /// factors `[tiles, in_channels]` and their weights give.
  void multiply(int64_t tiles, int64_t channels, int64_t count, Positions factors, Panels weights,
                int64_t weights_step, Positions products, RowsToFetch next = {}) const {
    const auto part = divide_up(count, divide_up(count, kWinogradPart));
    for (int64_t position = 0; position < positions_; ++position) {
      next.fetch(position, positions_);
      for (int64_t c = 0; c < count; c += part) {
        kernel_.multiply_rows(tiles, channels, std::min(part, count - c),
                              {factors.data + c, in_channels_}, from_row(weights, c),
                              {products.data, channels});
      }
      factors.data += factors.step;
      weights.data += weights_step;
      products.data += products.step;
    }
  }

  const Kernels& kernel_ = kernels();
  const WinogradTiles& tile_;
  const int64_t positions_ = tile_.positions();
  const float* x_;
  /// `[out_channels, 9 · in_channels]`
  StoredMatrix weight_;
  const float* bias_;
  float* out_;
  int64_t height_, width_, in_channels_, out_channels_, panels_, panel_floats_, tiles_of_image_,
      tiles_;
};

const WinogradTiles& tiles_of(Precision precision) {
  return precision == Precision::kFast ? kernels().tiles : kernels().small_tiles;
}

}  // namespace

bool winograd_fits(int64_t in_channels, int64_t out_channels) {
  return in_channels % kVector == 0 && out_channels % kVector == 0;
}

int64_t winograd_tiles(const at::Tensor& x, Precision precision) {
  const auto out = tiles_of(precision).out;
  return x.size(0) * divide_up(x.size(2), out) * divide_up(x.size(3), out);
}

at::Tensor winograd_conv2d(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                           Precision precision) {
  constexpr auto kPixels = at::MemoryFormat::ChannelsLast;
  auto out = at::empty({x.size(0), weight.size(0), x.size(2), x.size(3)}, x.options(), kPixels);
  if (out.numel() == 0) return out;
  const auto input = x.contiguous(kPixels), weights = weight.contiguous().flatten(1),
             biases = bias.defined() ? bias.contiguous() : bias;
  Convolution(tiles_of(precision), input, weights, biases, out).compute();
  return out;
}

}  // namespace xattn::cpu
