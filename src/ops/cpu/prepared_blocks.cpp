#include "ops/cpu/prepared_blocks.h"

#include <ATen/Parallel.h>
#include <ATen/ops/add.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <limits>
#include <numbers>

#include "ops/cpu/aligned_floats.h"
#include "ops/cpu/packed.h"

namespace xattn::cpu {
namespace {

/// What a mask adds to the scores.
at::Tensor additive(const at::Tensor& mask) {
  if (mask.scalar_type() != at::kBool) return mask;
  return at::zeros(mask.sizes(), at::kFloat)
      .masked_fill_(mask.logical_not(), -std::numeric_limits<double>::infinity());
}

/// What the query bias and the mask add to the scores.
at::Tensor score_bias(const PreparedText& text) {
  const auto& weights = text.weights;
  const auto batch = text.key.size(0), heads = text.key.size(1), tokens = text.key.size(2);
  auto bias = at::zeros({batch, heads, tokens}, text.key.options());
  if (weights.query_bias.defined()) {
    bias = at::matmul(text.key, weights.query_bias.view({heads, -1, 1}))
               .squeeze(-1)
               .div_(weights.divisor);
  }
  if (text.mask) bias = at::add(bias, additive(*text.mask).squeeze(2));
  return bias.mul_(std::numbers::log2e).reshape({batch, heads * tokens});
}

/// Packs a matrix `[rows, columns]`, of any stored type, in parallel.
void pack_all(const at::Tensor& matrix, const at::Tensor& packed, int64_t index) {
  const auto& kernel = kernels();
  const auto rows = matrix.size(0), columns = matrix.size(1);
  const auto from = stored_matrix_of(matrix);
  const auto to = packed_at(packed, index);
  at::parallel_for(0, packed.size(1), 1, [&](int64_t begin, int64_t end) {
    for (auto i = begin; i < end; ++i) {
      const auto start = i * kernel.panel;
      kernel.pack(rows, std::min(kernel.panel, columns - start), block_of(from, 0, start),
                  {to.data + i * to.step, to.step});
    }
  });
}

/// The keys or values of a text, `[I/H, T]` for each text and head.
at::Tensor pack_heads(const at::Tensor& heads, bool transposed) {
  const auto text = heads.contiguous();
  const auto count = text.size(0) * text.size(1), tokens = text.size(2), head_dim = text.size(3);
  const auto matrices = text.view({count, tokens, head_dim});
  const auto packed =
      transposed ? empty_packed(count, head_dim, tokens) : empty_packed(count, tokens, head_dim);
  for (int64_t i = 0; i < count; ++i) {
    const auto matrix = matrices.select(0, i);
    kernels().pack(packed.size(2), transposed ? tokens : head_dim,
                   matrix_of(transposed ? matrix.t() : matrix), packed_at(packed, i));
  }
  return packed;
}

/// Sets the last row of each packed output projection to the bias.
void set_out_bias(const at::Tensor& packed, const at::Tensor& bias) {
  const auto panels = packed.size(1), panel = packed.size(3);
  auto row = at::zeros({panels * panel}, at::kFloat);
  if (bias.defined()) row.narrow(0, 0, bias.size(0)).copy_(bias);
  packed.select(2, packed.size(2) - 1).copy_(row.view({panels, panel}));
}

/// Calls `work(head, matrix)` for each head with a packed `[I/H, columns]`: the rows of one head
/// out of a matrix `[I, columns]`.
template <typename Work>
void for_each_head(const at::Tensor& matrix, int64_t heads, const Work& work) {
  const auto head_dim = matrix.size(0) / heads, columns = matrix.size(1);
  const auto from = stored_matrix_of(matrix);
  const auto panel = kernels().panel, panels = (columns + panel - 1) / panel;
  at::parallel_for(0, heads, 1, [&](int64_t begin, int64_t end) {
    const AlignedFloats scratch(panels * head_dim * panel);
    const Panels packed = {scratch.data(), head_dim * panel};
    for (auto h = begin; h < end; ++h) {
      kernels().pack(head_dim, columns, block_of(from, h * head_dim, 0), packed);
      work(h, packed);
    }
  });
}

void fold(const PreparedText& text, PreparedBlocks& blocks) {
  const auto batch = text.key.size(0), heads = blocks.num_heads, tokens = blocks.text_tokens;
  const auto head_dim = text.key.size(3), width = blocks.image_width, out_width = blocks.out_width;
  const auto scale = std::numbers::log2e / text.weights.divisor;

  const auto key = pack_heads(text.key.mul(scale), true);
  const auto query = at::empty({batch, blocks.inner, width}, at::kFloat);
  for_each_head(text.weights.query_weight.contiguous(), heads, [&](int64_t h, Panels weight) {
    for (int64_t b = 0; b < batch; ++b) {
      float* rows = query.data_ptr<float>() + (b * heads + h) * tokens * width;
      kernels().multiply(tokens, width, head_dim, packed_at(key, b * heads + h), weight,
                         {rows, width});
    }
  });
  blocks.query = empty_packed(batch, width, blocks.inner);
  for (int64_t b = 0; b < batch; ++b) pack_all(query.select(0, b).t(), blocks.query, b);

  const auto value = pack_heads(text.value, true);
  blocks.out = empty_packed(batch, blocks.inner + 1, out_width);
  for_each_head(text.weights.out_weight.contiguous().t(), heads, [&](int64_t h, Panels weight) {
    for (int64_t b = 0; b < batch; ++b) {
      kernels().multiply_packed(tokens, out_width, head_dim, packed_at(value, b * heads + h),
                                weight, from_row(packed_at(blocks.out, b), h * tokens));
    }
  });
}

void pack_projections(const PreparedText& text, PreparedBlocks& blocks) {
  const auto scale = std::numbers::log2e / text.weights.divisor;
  blocks.query = empty_packed(1, blocks.image_width, blocks.inner);
  pack_all(text.weights.query_weight.contiguous().t(), blocks.query, 0);
  blocks.query.mul_(scale);
  blocks.key = pack_heads(text.key, true);
  blocks.value = pack_heads(text.value, false);
  blocks.out = empty_packed(1, blocks.inner + 1, blocks.out_width);
  pack_all(text.weights.out_weight.contiguous().t(), blocks.out, 0);
}

}  // namespace

PreparedBlocks prepare_blocks(const PreparedText& text) {
  const auto& weights = text.weights;
  PreparedBlocks blocks;
  blocks.batch_size = text.key.size(0);
  blocks.num_heads = text.key.size(1);
  blocks.text_tokens = text.key.size(2);
  blocks.image_width = weights.query_weight.size(1);
  blocks.out_width = weights.out_weight.size(0);
  blocks.is_folded = text.path == AttentionPath::kFolded;
  blocks.inner =
      blocks.is_folded ? blocks.num_heads * blocks.text_tokens : weights.query_weight.size(0);
  blocks.score_bias = score_bias(text);
  blocks.is_folded ? fold(text, blocks) : pack_projections(text, blocks);
  set_out_bias(blocks.out, weights.out_bias);
  return blocks;
}

namespace {

/// Replaces every tensor that has a part for each text, `[B · parts, …]`.
template <typename Replace>
void for_each_part(PreparedBlocks& blocks, const Replace& replace) {
  replace(&PreparedBlocks::score_bias);
  if (blocks.is_folded) {
    replace(&PreparedBlocks::query);
    replace(&PreparedBlocks::out);
  } else {
    replace(&PreparedBlocks::key);
    replace(&PreparedBlocks::value);
  }
}

}  // namespace

PreparedBlocks select(const PreparedBlocks& blocks, const at::Tensor& texts) {
  auto selected = blocks;
  selected.batch_size = texts.numel();
  for_each_part(selected, [&](at::Tensor PreparedBlocks::*part) {
    const auto& of_all = blocks.*part;
    selected.*part =
        of_all.unflatten(0, {blocks.batch_size, -1}).index_select(0, texts).flatten(0, 1);
  });
  return selected;
}

PreparedBlocks cat(const std::vector<std::shared_ptr<const PreparedBlocks>>& all) {
  auto joined = *all.front();
  joined.batch_size = 0;
  for (const auto& blocks : all) joined.batch_size += blocks->batch_size;
  for_each_part(joined, [&](at::Tensor PreparedBlocks::*part) {
    std::vector<at::Tensor> parts;
    for (const auto& blocks : all) parts.push_back((*blocks).*part);
    joined.*part = at::cat(parts);
  });
  return joined;
}

}  // namespace xattn::cpu
