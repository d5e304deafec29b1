#include "ops/cpu/winograd.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "ops/cpu/aligned_floats.h"
#include "ops/cpu/packed.h"

namespace xattn::cpu {
namespace {

constexpr int64_t kOut = Winograd::kOut, kPositions = Winograd::kPositions;
/// Channels come in whole vectors, of any processor.
constexpr int64_t kVector = 16;
/// The longest sum of the innermost product, for the first cache and for rounding.
constexpr int64_t kWinogradPart = 384;
/// Floats of a block's factors and products together: they stay in the last cache.
constexpr int64_t kBlockFloats = 2 << 20;
/// Images of so few tiles are one block, whose weights each thread transforms when it needs them.
constexpr int64_t kFewTiles = 64;

class Convolution {
 public:
  Convolution(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
              const at::Tensor& out)
      : x_(x.const_data_ptr<float>()),
        weight_(weight.const_data_ptr<float>()),
        bias_(bias.defined() ? bias.const_data_ptr<float>() : nullptr),
        out_(out.data_ptr<float>()),
        height_(x.size(2)),
        width_(x.size(3)),
        in_channels_(x.size(1)),
        out_channels_(out.size(1)),
        panels_(divide_up(out_channels_, kernel_.panel)),
        panel_floats_(in_channels_ * kernel_.panel),
        tiles_of_image_(divide_up(height_, kOut) * divide_up(width_, kOut)),
        tiles_(x.size(0) * tiles_of_image_) {}

  void compute() const { tiles_ <= kFewTiles ? compute_by_channels() : compute_by_tiles(); }

 private:
  /// All tiles at once; each thread takes panels of the result's channels, and their weights.
  void compute_by_channels() const {
    const AlignedFloats factors(kPositions * tiles_ * in_channels_);
    at::parallel_for(0, tiles_, 1, [&](int64_t begin, int64_t end) {
      enter(begin, end - begin, factors.data() + begin * in_channels_, tiles_ * in_channels_);
    });
    at::parallel_for(0, panels_, 1, [&](int64_t begin, int64_t end) {
      const AlignedFloats weights(kPositions * panel_floats_),
          products(kPositions * tiles_ * kernel_.panel);
      for (auto panel = begin; panel < end; ++panel) {
        enter_weights(panel, weights.data(), panel_floats_);
        const auto channel = panel * kernel_.panel,
                   channels = std::min(kernel_.panel, out_channels_ - channel);
        multiply(tiles_, channels, factors.data(), {weights.data(), panel_floats_}, panel_floats_,
                 products.data());
        leave(0, tiles_, channel, channels, products.data());
      }
    });
  }

  /// Block by block of tiles, each by one thread from its pixels to its result.
  void compute_by_tiles() const {
    const auto step = panels_ * panel_floats_;
    const AlignedFloats weights(kPositions * step);
    at::parallel_for(0, panels_, 1, [&](int64_t begin, int64_t end) {
      for (auto panel = begin; panel < end; ++panel) {
        enter_weights(panel, weights.data() + panel * panel_floats_, step);
      }
    });
    const int64_t threads = at::get_num_threads();
    // Smaller blocks would read the weights too often.
    const auto fitting = kBlockFloats / (kPositions * (in_channels_ + out_channels_));
    const auto blocks = divide_up(tiles_, std::clamp<int64_t>(fitting, 24, 96));
    const auto block = divide_up(tiles_, divide_up(blocks, threads) * threads);
    at::parallel_for(0, divide_up(tiles_, block), 1, [&](int64_t begin, int64_t end) {
      const AlignedFloats factors(kPositions * block * in_channels_),
          products(kPositions * block * out_channels_);
      for (auto i = begin; i < end; ++i) {
        const auto first = i * block, tiles = std::min(block, tiles_ - first);
        enter(first, tiles, factors.data(), tiles * in_channels_);
        multiply(tiles, out_channels_, factors.data(), {weights.data(), panel_floats_}, step,
                 products.data());
        leave(first, tiles, 0, out_channels_, products.data());
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

  void enter_weights(int64_t panel, float* out, int64_t step) const {
    const auto channel = panel * kernel_.panel;
    kernel_.enter_weights(weight_ + channel * in_channels_ * 9, in_channels_,
                          std::min(kernel_.panel, out_channels_ - channel), out, step);
  }

  void enter(int64_t first, int64_t tiles, float* factors, int64_t step) const {
    for_each_image(first, tiles, [&](int64_t image, int64_t tile, int64_t count, int64_t before) {
      auto* const pixels = const_cast<float*>(x_) + image * height_ * width_ * in_channels_;
      kernel_.enter_tiles({pixels, height_, width_, in_channels_}, tile, count,
                          factors + before * in_channels_, step);
    });
  }

  void leave(int64_t first, int64_t tiles, int64_t channel, int64_t channels,
             const float* products) const {
    for_each_image(first, tiles, [&](int64_t image, int64_t tile, int64_t count, int64_t before) {
      auto* const pixels = out_ + image * height_ * width_ * out_channels_ + channel;
      kernel_.leave_tiles(products + before * channels, tiles * channels, tile, count, channels,
                          bias_ ? bias_ + channel : nullptr,
                          {pixels, height_, width_, out_channels_});
    });
  }

  /// For each position: products `[tiles, channels]` of factors `[tiles, in_channels]` and weights.
  void multiply(int64_t tiles, int64_t channels, float* factors, Panels weights,
                int64_t weights_step, float* products) const {
    std::fill_n(products, kPositions * tiles * channels, 0.0F);
    const auto part = divide_up(in_channels_, divide_up(in_channels_, kWinogradPart));
    for (int64_t position = 0; position < kPositions; ++position) {
      for (int64_t c = 0; c < in_channels_; c += part) {
        kernel_.multiply_rows(tiles, channels, std::min(part, in_channels_ - c),
                              {factors + c, in_channels_}, from_row(weights, c),
                              {products, channels});
      }
      factors += tiles * in_channels_;
      weights.data += weights_step;
      products += tiles * channels;
    }
  }

  const Kernels& kernel_ = kernels();
  const float* x_;
  const float* weight_;
  const float* bias_;
  float* out_;
  int64_t height_, width_, in_channels_, out_channels_, panels_, panel_floats_, tiles_of_image_,
      tiles_;
};

}  // namespace

bool winograd_fits(int64_t in_channels, int64_t out_channels) {
  return in_channels % kVector == 0 && out_channels % kVector == 0;
}

int64_t winograd_tiles(const at::Tensor& x) {
  return x.size(0) * divide_up(x.size(2), kOut) * divide_up(x.size(3), kOut);
}

at::Tensor winograd_conv2d(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  constexpr auto kPixels = at::MemoryFormat::ChannelsLast;
  auto out = at::empty({x.size(0), weight.size(0), x.size(2), x.size(3)}, x.options(), kPixels);
  if (out.numel() == 0) return out;
  const auto input = x.contiguous(kPixels), weights = weight.contiguous(),
             biases = bias.defined() ? bias.contiguous() : bias;
  Convolution(input, weights, biases, out).compute();
  return out;
}

}  // namespace xattn::cpu
