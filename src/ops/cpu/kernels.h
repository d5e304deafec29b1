#pragma once

#include <cstdint>
#include <vector>

namespace xattn::cpu {

// The innermost loops of attention and of linear layers, built for several kinds of processor.
//
// They work on packed matrices: columns lie in panels of `Kernels::panel`, one panel after the
// other, each row by row, and the last one filled up. A matrix product takes both factors so, with
// the inner dimension as their rows; then either factor can be the one whose columns lie side by
// side in a vector, and the result can be packed for the next product.

/// A packed matrix, or some rows of one.
struct Panels {
  float* data;
  /// Elements from one panel to the next.
  int64_t step;
};

/// A matrix in memory: element (row, column) is at data[row * row_step + column * column_step].
struct Matrix {
  float* data;
  int64_t row_step;
  int64_t column_step = 1;
};

/// How the elements of a matrix are stored.
enum class StoredType { kFloat, kHalf, kBFloat16 };

/// A matrix in memory that is only read, of any stored type.
struct StoredMatrix {
  StoredMatrix(const void* data, StoredType type, int64_t row_step, int64_t column_step)
      : data(data), type(type), row_step(row_step), column_step(column_step) {}
  // NOLINTNEXTLINE(google-explicit-constructor): every matrix of floats is one
  StoredMatrix(const Matrix& matrix)
      : StoredMatrix(matrix.data, StoredType::kFloat, matrix.row_step, matrix.column_step) {}

  const void* data;
  StoredType type;
  int64_t row_step;
  int64_t column_step;
};

/// Some channels of an image in memory whose channels lie side by side: element (y, x, c) is at
/// data[(y * width + x) * step + c].
struct PixelMap {
  float* data;
  int64_t height, width, channels, step;
};

/// Tiles side by side, of which the first begins at a pixel (top, left), perhaps outside of a map.
struct TileRow {
  int64_t top, left, count;
};

/// What is added to the result of a convolution, each unless it is null: a number for each channel,
/// and what lies as the result does.
struct Addends {
  const float *shift, *residual;
};

/// A 3×3 convolution, tile by tile: `out`² pixels of the result, row by row,
/// from (out + 2)² of the input, by products at as many positions; see vector_winograd.h.
struct WinogradTiles {
  int64_t out;
  /// Turns the weights `[columns, 9 · in_channels]` of some of a panel's channels into factors,
  /// `[in_channels, panel]` at out + position * position_step. Whole numbers of vectors of both;
  /// the weight has a column_step of 1. `next`, unless it is null, are those that will be entered
  /// next: they are fetched meanwhile.
  void (*enter_weights)(int64_t in_channels, int64_t columns, StoredMatrix weight, const void* next,
                        float* out, int64_t position_step);
  /// Turns what tiles read of a map, zeros where that is outside, into factors: that of a tile,
  /// channel and position is at out[position * position_step + tile * channels + channel]. A whole
  /// number of vectors of channels.
  void (*enter_tiles)(PixelMap map, TileRow row, float* out, int64_t position_step);
  /// Turns products, of which that of a tile, channel and position is at products[position *
  /// position_step + tile * channels + channel], into those pixels of tiles that are inside. A
  /// whole number of vectors of channels.
  void (*leave_tiles)(const float* products, int64_t position_step, TileRow row, Addends addends,
                      PixelMap out);

  int64_t positions() const { return (out + 2) * (out + 2); }
};

/// What `normalize` does to an element of a column: y = (x - mean) * scale + shift, then
/// y / (1 + e^-y) where `silu`.
struct Normalization {
  const float *mean, *scale, *shift;
  bool silu;
};

/// Floats that attention keeps for a query of such a width: itself, its largest score, the sum of
/// its weights, and what is summed of the values, in whole tiles.
constexpr int64_t attention_state(int64_t width) {
  return width + 2 + (width + 7) / 8 * 8;
}

/// Floats that attention to so many keys at once works in.
constexpr int64_t attention_scratch(int64_t keys, int64_t width, int64_t panel) {
  return (keys + 16) * width + (width + 8) * (keys + 4) + (keys + 8) * panel;
}

/// How `multiply_rows` goes about it.
struct RowProduct {
  /// Whether it adds to what is there.
  bool adds;
  /// Whether b comes from beyond the second cache, and is fetched a panel ahead.
  bool fetches = false;
};

struct Kernels {
  const char* name;
  /// Columns of a panel.
  int64_t panel;
  /// Packs a matrix whose row_step or column_step is 1, widened to float; what fills up the last
  /// panel is zero.
  void (*pack)(int64_t rows, int64_t columns, StoredMatrix matrix, Panels packed);
  /// out = aᵀ · b, with a `[inner, rows]` and b `[inner, columns]`; out has a column_step of 1.
  void (*multiply)(int64_t rows, int64_t columns, int64_t inner, Panels a, Panels b, Matrix out);
  /// The same but for rounding, with a packed result, whose last panel is not filled up.
  void (*multiply_packed)(int64_t rows, int64_t columns, int64_t inner, Panels a, Panels b,
                          Panels out);
  /// out = a · b or out += a · b, with a `[rows, inner]` read where it lies, and b
  /// `[inner, columns]`; a and out have a column_step of 1.
  void (*multiply_rows)(int64_t rows, int64_t columns, int64_t inner, Matrix a, Panels b,
                        Matrix out, RowProduct how);
  /// Turns the scores of image tokens into attention weights, in place.
  ///
  /// `scores` are `[heads · text_tokens, image_tokens]` in units of log₂, to which `bias`
  /// `[heads · text_tokens]` is added first: weight = 2^(score + bias) / Σ over a head's text
  /// tokens. Where every score is -∞ the weights are zero.
  void (*softmax_over_text)(int64_t heads, int64_t text_tokens, int64_t image_tokens,
                            const float* bias, Panels scores);
  /// Begins the attention of queries `[queries, width]`, row by row, whose scores are multiplied by
  /// `scale` to be in units of log₂. `state` has `attention_state(width)` floats for each query, of
  /// which there are whole panels.
  void (*begin_attention)(int64_t queries, int64_t width, float scale, Matrix query, float* state);
  /// Goes on with further keys and their values `[keys, width]`, row by row, which it packs into
  /// `scratch`, of `attention_scratch` floats.
  void (*attend)(int64_t queries, int64_t keys, int64_t width, Matrix key, Matrix value,
                 float* scratch, float* state);
  /// Ends it: the output `[queries, width]`, row by row, zero where every score is -∞. `state` is
  /// used up.
  void (*finish_attention)(int64_t queries, int64_t width, float* state, Matrix out);
  /// Large tiles, of 4×4 pixels, have a quarter of the multiplications; small ones, of 2×2, have
  /// four ninths and round less.
  WinogradTiles tiles, small_tiles;
  /// Adds each column's Σ (x - near) to `sums` and Σ (x - near)² to `squares`; `near` is a number
  /// for each column. x has a column_step of 1.
  void (*add_moments)(int64_t rows, int64_t columns, Matrix x, const float* near, double* sums,
                      double* squares);
  /// The same for elements side by side, with one number and one sum of each kind.
  void (*add_moments_alike)(int64_t count, const float* x, float near, double* sum, double* square);
  /// Normalises each element as its column says; x and out have a column_step of 1.
  void (*normalize)(int64_t rows, int64_t columns, Matrix x, Normalization norm, Matrix out);
  /// The same for elements side by side, each as the first column says.
  void (*normalize_alike)(int64_t count, const float* x, Normalization norm, float* out);
  /// out = hidden · gelu(gates), by element, where gelu(x) = x Φ(x); all have a column_step of 1.
  void (*gate)(int64_t rows, int64_t columns, Matrix hidden, Matrix gates, Matrix out);
};

/// Those that run on this processor, fastest first.
std::vector<const Kernels*> available_kernels();

/// The fastest of them, or those that the environment's XATTN_CPU_KERNELS names. Where that says
/// `torch`, `use_kernels` of choice.h is false and nobody should ask.
const Kernels& kernels();

}  // namespace xattn::cpu
