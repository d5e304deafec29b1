#pragma once

#include <cstdint>
#include <vector>

#include "xattn/ops/precision.h"

namespace xattn::cpu {

/// Whether our kernels may be used at all: not where XATTN_CPU_KERNELS is `torch`.
bool use_kernels();

/// What decides between our kernels and LibTorch's operators: whose products are faster here.
enum class Processor {
  /// AMD with AVX-512: LibTorch's products are MKL's, which keep to AVX2 there.
  kAvx512,
  /// AVX2, and AVX-512 where MKL uses it too.
  kAvx2,
  /// No vectors but the least: LibTorch's products are faster.
  kOther,
};
Processor processor();

/// Whether `cpu::linear` is at least as fast as `at::linear` for an x of so many rows, where
/// LibTorch may have to widen the weight before. It says the same whenever it is asked on one
/// machine.
bool linear_is_faster(int64_t rows, bool widens = false);

/// Whether `cpu::geglu` is faster than a linear layer and LibTorch's gelu for so many rows. It says
/// the same whenever it is asked on one machine.
bool geglu_is_faster(int64_t rows);

/// Whether `cpu::self_attention` is faster than LibTorch's `scaled_dot_product_attention` for so
/// many queries and keys of a head of such a width. It says the same whenever it is asked on one
/// machine.
bool self_attention_is_faster(int64_t queries, int64_t keys, int64_t width);

/// Whether `cpu::winograd_conv2d` is faster than LibTorch's convolution with such a stride of
/// images of so many pixels together. It says the same whenever it is asked on one machine.
bool winograd_is_faster(int64_t pixels, int64_t stride);

/// One of Winograd's ways to compute a 3×3 convolution.
struct WinogradWay {
  /// Height and width of the result's tiles: 4 for F(4×4, 3×3), or 2 for F(2×2, 3×3), which takes
  /// more products and rounds less.
  int tile = 4;
  /// Whether each thread takes channels of the result, and transforms their weights as it needs
  /// them; or tiles of it, after all weights are transformed.
  bool by_channels = false;
};

/// The ways that such a precision allows and that are worth a trial, from what is believed best for
/// so many images of a result's height and width. It says the same whenever it is asked.
std::vector<WinogradWay> winograd_ways(int64_t images, int64_t height, int64_t width,
                                       Precision precision);

/// Whether a linear layer over so many pixels is faster than LibTorch's 1×1 convolution. It says
/// the same whenever it is asked on one machine.
bool linear_conv2d_is_faster(int64_t pixels);

/// Whether images had best have the channels of a pixel side by side, for the convolutions and
/// norms that follow are ours. It says the same whenever it is asked on one machine.
bool images_go_by_pixels();

/// Whether `cpu::group_norm` is faster than LibTorch's for images of so many pixels that lie pixel
/// by pixel, or else channel by channel. It says the same whenever it is asked on one machine.
bool group_norm_is_faster(bool by_pixels, int64_t pixels);

}  // namespace xattn::cpu
