#include "ops/cpu/tile_source.h"

#include <algorithm>
#include <utility>

namespace xattn::cpu {
namespace {

/// Floats of a strip, which stays in the second cache.
constexpr int64_t kStripFloats = 64 << 10;

}  // namespace

TileSource::TileSource(const WinogradTiles& tiles, const at::Tensor& x, bool enlarges,
                       std::optional<GroupNormFactors> norm)
    : tiles_(tiles),
      x_(const_cast<float*>(x.const_data_ptr<float>())),
      batch_(x.size(0)),
      channels_(x.size(1)),
      height_(x.size(2)),
      width_(x.size(3)),
      scale_(enlarges ? 2 : 1),
      norm_(std::move(norm)),
      tiles_at_once_(
          std::max<int64_t>(1, (kStripFloats / (channels_ * (tiles.out + 2)) - 2) / tiles.out)) {}

int64_t TileSource::scratch() const {
  return is_plain() ? 0 : (tiles_.out + 2) * strip_width(tiles_at_once_) * channels_;
}

void TileSource::enter(int64_t image, TileRow row, float* scratch, float* factors,
                       int64_t position_step) const {
  if (is_plain()) return enter_some(image, row, 0, channels_, factors, position_step);
  for (int64_t done = 0; done < row.count; done += tiles_at_once_) {
    const TileRow some = {row.top, row.left + done * tiles_.out,
                          std::min(tiles_at_once_, row.count - done)};
    fill_strip(image, some, scratch);
    const PixelMap strip = {scratch, tiles_.out + 2, strip_width(some.count), channels_, channels_};
    tiles_.enter_tiles(strip, {0, 0, some.count}, factors + done * channels_, position_step);
  }
}

void TileSource::enter_some(int64_t image, TileRow row, int64_t first, int64_t count,
                            float* factors, int64_t position_step) const {
  const PixelMap map = {x_ + image * height_ * width_ * channels_ + first, height_, width_, count,
                        channels_};
  tiles_.enter_tiles(map, row, factors, position_step);
}

/// All pixels that tiles read, and zeros for those outside.
void TileSource::fill_strip(int64_t image, TileRow row, float* strip) const {
  const auto pixels = strip_width(row.count), before = std::clamp<int64_t>(-row.left, 0, pixels),
             inside = std::clamp<int64_t>(width() - row.left - before, 0, pixels - before);
  for (int64_t i = 0; i < tiles_.out + 2; ++i, strip += pixels * channels_) {
    const auto y = row.top + i;
    const auto count = 0 <= y && y < height() ? inside : 0;
    std::fill_n(strip, before * channels_, 0.0F);
    if (count > 0) fill_line(image, y, row.left + before, count, strip + before * channels_);
    std::fill_n(strip + (before + count) * channels_, (pixels - before - count) * channels_, 0.0F);
  }
}

void TileSource::fill_line(int64_t image, int64_t y, int64_t left, int64_t count,
                           float* line) const {
  if (scale_ == 1) return read(image, y, left, count, line);
  const auto first = left / scale_, last = (left + count - 1) / scale_;
  read(image, y / scale_, first, last + 1 - first, line);
  // From the last one on: none is written over before it is read.
  for (auto i = count; i-- > 0;) {
    const auto from = (left + i) / scale_ - first;
    if (from != i) std::copy_n(line + from * channels_, channels_, line + i * channels_);
  }
}

void TileSource::read(int64_t image, int64_t y, int64_t x, int64_t count, float* pixels) const {
  float* const from = x_ + ((image * height_ + y) * width_ + x) * channels_;
  if (norm_) {
    kernel_.normalize(count, channels_, {from, channels_}, norm_->from(image * channels_),
                      {pixels, channels_});
  } else {
    std::copy_n(from, count * channels_, pixels);
  }
}

}  // namespace xattn::cpu
