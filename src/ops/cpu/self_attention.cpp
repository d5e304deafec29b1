#include "ops/cpu/self_attention.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <numbers>

#include "ops/cpu/aligned_floats.h"
#include "ops/cpu/packed.h"

namespace xattn::cpu {
namespace {

/// A block's keys and values stay in the second cache, and a panel's scores of them nearly in the
/// first one.
constexpr int64_t kKeysAtOnce = 256, kKeyFloats = 128 << 10;
/// Queries at once, with what is summed for them: in the second or the last cache. The keys are
/// packed anew for each of these blocks.
constexpr int64_t kQueryFloats = 256 << 10;

int64_t keys_at_once(int64_t keys, int64_t width) {
  const auto panel = kernels().panel,
             most = std::clamp<int64_t>(kKeyFloats / (2 * width), 64, kKeysAtOnce);
  return divide_up(divide_up(keys, divide_up(keys, most)), panel) * panel;
}

/// A whole number of panels, and blocks of all heads for each thread.
int64_t queries_at_once(int64_t heads, int64_t queries, int64_t width) {
  const int64_t panel = kernels().panel, threads = at::get_num_threads(),
                panels = divide_up(queries, panel);
  const auto most = std::max<int64_t>(1, kQueryFloats / (attention_state(width) * panel));
  auto blocks = divide_up(panels, most);
  while (blocks * heads % threads != 0 && blocks < 2 * threads && blocks < panels) ++blocks;
  return divide_up(panels, blocks) * panel;
}

/// The rows of heads `[B, H, N, D]` in memory.
class HeadRows {
 public:
  explicit HeadRows(const at::Tensor& tensor)
      : data_(const_cast<float*>(tensor.const_data_ptr<float>())),
        heads_(tensor.size(1)),
        batch_step_(tensor.stride(0)),
        head_step_(tensor.stride(1)),
        row_step_(tensor.stride(2)) {}

  /// Those from `row` of a head, counted over the whole batch.
  Matrix from(int64_t head, int64_t row) const {
    return {data_ + head / heads_ * batch_step_ + head % heads_ * head_step_ + row * row_step_,
            row_step_};
  }

 private:
  float* data_;
  int64_t heads_, batch_step_, head_step_, row_step_;
};

at::Tensor with_rows(const at::Tensor& heads) {
  return heads.stride(3) == 1 ? heads : heads.contiguous();
}

}  // namespace

at::Tensor self_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                          double divisor) {
  const auto batch = query.size(0), heads = query.size(1), queries = query.size(2),
             keys = key.size(2), width = query.size(3);
  const auto out = at::empty({batch, queries, heads, width}, query.options()).transpose(1, 2);
  const auto q = with_rows(query), k = with_rows(key), v = with_rows(value);
  const HeadRows q_rows(q), k_rows(k), v_rows(v), out_rows(out);

  const auto& kernel = kernels();
  const auto scale = static_cast<float>(std::numbers::log2e / divisor);
  const auto some_keys = keys_at_once(keys, width),
             some_queries = queries_at_once(batch * heads, queries, width),
             blocks = divide_up(queries, some_queries);
  at::parallel_for(0, batch * heads * blocks, 1, [&](int64_t begin, int64_t end) {
    const AlignedFloats state(attention_state(width) * some_queries),
        scratch(attention_scratch(some_keys, width, kernel.panel));
    for (auto i = begin; i < end; ++i) {
      const auto head = i / blocks, row = i % blocks * some_queries;
      const auto count = std::min(some_queries, queries - row);
      kernel.begin_attention(count, width, scale, q_rows.from(head, row), state.data());
      for (int64_t j = 0; j < keys; j += some_keys) {
        kernel.attend(count, std::min(some_keys, keys - j), width, k_rows.from(head, j),
                      v_rows.from(head, j), scratch.data(), state.data());
      }
      kernel.finish_attention(count, width, state.data(), out_rows.from(head, row));
    }
  });
  return out;
}

}  // namespace xattn::cpu
