#include "ops/cpu/blocked_attention.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <memory>
#include <new>
#include <numeric>

#include "ops/cpu/packed.h"

// Scores are computed as [H·T, block]: image tokens lie side by side, so the softmax over the text
// is element by element over vectors of image tokens, whatever H and T are.

namespace xattn::cpu {
namespace {

/// Image features `[B, N, C]` in one of the two layouts that can be packed.
struct Features {
  explicit Features(const at::Tensor& features)
      : by_channel(features.stride(1) == 1 && features.stride(2) >= features.size(1) &&
                   features.size(2) > 1),
        tensor(by_channel || features.stride(2) == 1 ? features : features.contiguous()) {}

  /// The features `[C, …]` of the tokens from `start`.
  Matrix columns(int64_t batch, int64_t start) const {
    auto* data = tensor.data_ptr<float>() + batch * tensor.stride(0) + start * tensor.stride(1);
    return by_channel ? Matrix{data, tensor.stride(2), 1} : Matrix{data, 1, tensor.stride(1)};
  }

  bool by_channel;
  at::Tensor tensor;
};

/// The output `[B, N, O]`, in the layout of the input.
struct Output {
  Output(const Features& features, int64_t width)
      : by_channel(features.by_channel),
        batch(features.tensor.size(0)),
        tokens(features.tensor.size(1)),
        width(width),
        tensor(at::empty(by_channel ? at::IntArrayRef({batch, width, tokens})
                                    : at::IntArrayRef({batch, tokens, width}),
                         features.tensor.options())) {}

  /// Writes weights `[inner, count]`ᵀ · matrix `[inner, O]` for the tokens from `start`.
  void write(int64_t b, int64_t start, int64_t count, int64_t inner, Panels weights,
             Panels matrix) {
    float* data = tensor.data_ptr<float>() + b * tokens * width;
    if (by_channel) {
      kernels().multiply(width, count, inner, matrix, weights, {data + start, tokens});
    } else {
      kernels().multiply(count, width, inner, weights, matrix, {data + start * width, width});
    }
  }

  at::Tensor result() const { return by_channel ? tensor.transpose(1, 2) : tensor; }

  bool by_channel;
  int64_t batch, tokens, width;
  at::Tensor tensor;
};

/// Packed matrices with a column for each token of a block.
template <size_t Count>
class Scratch {
 public:
  Scratch(const std::array<int64_t, Count>& rows, int64_t tokens) {
    const auto size = std::accumulate(rows.begin(), rows.end(), int64_t{0}) * tokens;
    data_.reset(static_cast<float*>(
        ::operator new[](sizeof(float) * static_cast<size_t>(size), kAlignment)));
    float* data = data_.get();
    for (size_t i = 0; i < Count; ++i) {
      matrices[i] = {data, rows[i] * kernels().panel};
      data += rows[i] * tokens;
    }
  }

  std::array<Panels, Count> matrices;

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Delete {
    void operator()(float* data) const { ::operator delete[](data, kAlignment); }
  };
  std::unique_ptr<float[], Delete> data_;
};

/// Image tokens of a block: a whole number of panels that stay in the second-level cache with their
/// scratch.
int64_t block_size(int64_t batch, int64_t tokens, int64_t floats_per_token) {
  constexpr int64_t kFloats = int64_t{1} << 18;              // 1 MiB
  constexpr int64_t kFloatsOfAllThreads = int64_t{3} << 20;  // 12 MiB
  const int64_t panel = kernels().panel, threads = at::get_num_threads();
  const auto floats = std::min(kFloats, kFloatsOfAllThreads / threads);
  const auto panels = (tokens + panel - 1) / panel;
  const auto most =
      std::clamp<int64_t>(floats / floats_per_token / panel, 1, std::max<int64_t>(1, 256 / panel));
  // Blocks of the same size, and as many for each thread.
  auto blocks = (panels + most - 1) / most;
  while (blocks * batch % threads != 0 && blocks < 2 * threads && blocks < panels) ++blocks;
  return (panels + blocks - 1) / blocks * panel;
}

/// Calls `work(batch, start, count, scratch)` for blocks of image tokens, in parallel; the scratch
/// has packed matrices of so many rows.
template <size_t Count, typename Work>
void for_each_block(int64_t batch, int64_t tokens, const std::array<int64_t, Count>& rows,
                    const Work& work) {
  if (batch == 0 || tokens == 0) return;
  const auto size =
      block_size(batch, tokens, std::accumulate(rows.begin(), rows.end(), int64_t{0}));
  const auto blocks = (tokens + size - 1) / size;
  at::parallel_for(0, batch * blocks, 1, [&](int64_t begin, int64_t end) {
    const Scratch<Count> scratch(rows, size);
    for (auto i = begin; i < end; ++i) {
      const auto start = i % blocks * size;
      work(i / blocks, start, std::min(size, tokens - start), scratch.matrices);
    }
  });
}

/// Sets the row of a packed matrix to 1.
void fill_row(Panels matrix, int64_t row, int64_t columns) {
  const auto panel = kernels().panel;
  for (int64_t c = 0; c < columns; c += panel, matrix.data += matrix.step) {
    std::fill_n(matrix.data + row * panel, panel, 1.0F);
  }
}

at::Tensor folded(const Features& features, const PreparedBlocks& text) {
  const auto& kernel = kernels();
  const auto width = text.image_width, inner = text.inner;
  Output output(features, text.out_width);
  for_each_block<2>(
      output.batch, output.tokens, {width, inner + 1},
      [&](int64_t b, int64_t start, int64_t count, const auto& scratch) {
        const auto [image, weights] = scratch;
        const auto t = text.batch_size == 1 ? 0 : b;  // one text serves all images
        kernel.pack(width, count, features.columns(b, start), image);
        kernel.multiply_packed(inner, count, width, packed_at(text.query, t), image, weights);
        kernel.softmax_over_text(text.num_heads, text.text_tokens, count,
                                 text.score_bias.const_data_ptr<float>() + t * inner, weights);
        fill_row(weights, inner, count);
        output.write(b, start, count, inner + 1, weights, packed_at(text.out, t));
      });
  return output.result();
}

at::Tensor unfolded(const Features& features, const PreparedBlocks& text) {
  const auto& kernel = kernels();
  const auto width = text.image_width, inner = text.inner, heads = text.num_heads,
             tokens = text.text_tokens;
  const auto head_dim = inner / heads;
  Output output(features, text.out_width);
  for_each_block<3>(
      output.batch, output.tokens, {width, inner + 1, tokens},
      [&](int64_t b, int64_t start, int64_t count, const auto& scratch) {
        const auto [image, query, weights] = scratch;
        kernel.pack(width, count, features.columns(b, start), image);
        kernel.multiply_packed(inner, count, width, packed_at(text.query, 0), image, query);
        for (int64_t h = 0; h < heads; ++h) {
          const auto head = (text.batch_size == 1 ? 0 : b) * heads + h;
          const auto head_query = from_row(query, h * head_dim);
          kernel.multiply_packed(tokens, count, head_dim, packed_at(text.key, head), head_query,
                                 weights);
          kernel.softmax_over_text(
              1, tokens, count, text.score_bias.const_data_ptr<float>() + head * tokens, weights);
          // What the head gives takes its query's place.
          kernel.multiply_packed(head_dim, count, tokens, packed_at(text.value, head), weights,
                                 head_query);
        }
        fill_row(query, inner, count);
        output.write(b, start, count, inner + 1, query, packed_at(text.out, 0));
      });
  return output.result();
}

}  // namespace

at::Tensor blocked_attention(const at::Tensor& image_features, const PreparedBlocks& text) {
  const Features features(image_features);
  return text.is_folded ? folded(features, text) : unfolded(features, text);
}

}  // namespace xattn::cpu
