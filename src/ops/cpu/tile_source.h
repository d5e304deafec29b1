#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

#include "ops/cpu/group_norm_factors.h"
#include "ops/cpu/kernels.h"

namespace xattn::cpu {

/// What the tiles of a convolution read: images whose channels lie side by side, as they are, or
/// normalised and enlarged to twice their height and width on the way, a strip of pixels at a time.
/// So the map between a norm and a convolution is never in memory.
class TileSource {
 public:
  /// x outlives it.
  TileSource(const WinogradTiles& tiles, const at::Tensor& x, bool enlarges,
             std::optional<GroupNormFactors> norm);

  /// Floats that `enter` works in.
  int64_t scratch() const;

  /// Turns a row of tiles of an image into factors, see `WinogradTiles::enter_tiles`.
  void enter(int64_t image, TileRow row, float* scratch, float* factors,
             int64_t position_step) const;

  /// The same for `count` channels from `first` on. Only where pixels are read as they are.
  void enter_some(int64_t image, TileRow row, int64_t first, int64_t count, float* factors,
                  int64_t position_step) const;

  int64_t batch() const { return batch_; }
  int64_t channels() const { return channels_; }
  int64_t height() const { return height_ * scale_; }
  int64_t width() const { return width_ * scale_; }

 private:
  bool is_plain() const { return scale_ == 1 && !norm_; }
  int64_t strip_width(int64_t tiles) const { return tiles * tiles_.out + 2; }
  void fill_strip(int64_t image, TileRow row, float* strip) const;
  void fill_line(int64_t image, int64_t y, int64_t left, int64_t count, float* line) const;
  void read(int64_t image, int64_t y, int64_t x, int64_t count, float* pixels) const;

  const Kernels& kernel_ = kernels();
  const WinogradTiles& tiles_;
  float* x_;
  int64_t batch_, channels_, height_, width_, scale_;
  std::optional<GroupNormFactors> norm_;
  int64_t tiles_at_once_;
};

}  // namespace xattn::cpu
