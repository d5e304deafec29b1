#include "xattn/ops/attention_path.h"

#include <algorithm>

#include "ops/cpu/choice.h"

namespace xattn {
namespace {

/// Multiplications and additions of a matrix product.
double product(double rows, double inner, double columns) {
  return 2 * rows * inner * columns;
}

/// What depends on the text alone: its keys and values.
double text_flops(const AttentionShape& s) {
  return 2 * product(double(s.batch * s.text_tokens), s.text_width, s.inner_width);
}

int64_t round_up(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

/// What a path costs beside its large products, in floating-point operations that take as long.
///
/// Fitted by measuring every path, on shapes with E 64 to 1280, T 10 to 154 and N 1 to 4096, see
/// docs/performance.md; for shapes of diffusion models all are small.
struct Costs {
  double sdpa_slowdown;          // LibTorch's products beside ours
  double head_product_slowdown;  // products as narrow as a head
  double preparation, folding;
  double packed_element;
  int64_t tokens_at_once;  // blocks are a whole number of them
};

const Costs& costs() {
  static constexpr Costs kAvx512 = {2.5, 1.3, 3e6, 1e6, 5, 32}, kAvx2 = {1.6, 1.5, 2e6, 3e6, 4, 24},
                         kOther = {0.5, 1.3, 3e6, 1e6, 5, 8};
  switch (cpu::processor()) {
    case cpu::Processor::kAvx512:
      return kAvx512;
    case cpu::Processor::kAvx2:
      return kAvx2;
    case cpu::Processor::kOther:
      return kOther;
  }
  return kOther;
}

double sdpa_cost(const AttentionShape& s, double rows, bool prepared) {
  const double large = product(rows, double(s.image_width + s.out_width), double(s.inner_width)) +
                       2 * product(rows, double(s.inner_width), double(s.text_tokens));
  return costs().sdpa_slowdown * (large + (prepared ? 0 : text_flops(s)));
}

double blocked_cost(const AttentionShape& s, double rows, bool prepared) {
  const auto& cost = costs();
  const double widths = double(s.image_width + s.out_width);
  const double heads = 2 * product(rows, double(s.inner_width), double(round_up(s.text_tokens, 8)));
  const double large =
      product(rows, widths, double(s.inner_width)) + cost.head_product_slowdown * heads;
  if (prepared) return large;
  return large + text_flops(s) + cost.preparation +
         cost.packed_element * widths * double(s.inner_width);
}

double folded_cost(const AttentionShape& s, double rows, bool prepared) {
  const auto& cost = costs();
  const double widths = double(s.image_width + s.out_width),
               inner = double(s.num_heads * s.text_tokens);
  const double large = product(rows, widths, inner);
  if (prepared) return large;
  const double folding =
      product(double(s.batch * round_up(s.text_tokens, 8)), double(s.inner_width), widths);
  const double packed = widths * (double(s.inner_width) + double(s.batch) * inner);
  return large + text_flops(s) + folding + cost.preparation + cost.folding +
         cost.packed_element * packed;
}

}  // namespace

std::string to_string(AttentionPath path) {
  switch (path) {
    case AttentionPath::kAuto:
      return "auto";
    case AttentionPath::kExplicit:
      return "explicit";
    case AttentionPath::kSdpa:
      return "sdpa";
    case AttentionPath::kBlocked:
      return "blocked";
    case AttentionPath::kFolded:
      return "folded";
  }
  return "unknown";
}

double attention_flops(AttentionPath path, const AttentionShape& s, bool prepared) {
  const double rows = double(s.batch * s.image_tokens),
               widths = double(s.image_width + s.out_width);
  const double text = prepared ? 0 : text_flops(s);
  if (path != AttentionPath::kFolded) {
    return text + product(rows, widths, s.inner_width) +
           2 * product(rows, s.inner_width, s.text_tokens);
  }
  const double folding = product(double(s.batch * s.text_tokens), s.inner_width, widths);
  return text + (prepared ? 0 : folding) +
         product(rows, widths, double(s.num_heads * s.text_tokens));
}

AttentionPath choose_attention_path(const AttentionShape& shape, bool prepared) {
  if (!cpu::use_kernels()) return AttentionPath::kSdpa;
  const double rows = double(shape.batch * shape.image_tokens),
               blocks = double(shape.batch * round_up(shape.image_tokens, costs().tokens_at_once));
  const double blocked = blocked_cost(shape, blocks, prepared),
               folded = folded_cost(shape, blocks, prepared);
  // A prepared text is used for any number of image tokens. LibTorch's path is far behind with
  // many, or ahead with any.
  const double sdpa = sdpa_cost(shape, prepared ? blocks : rows, prepared);
  if (sdpa < std::min(blocked, folded)) return AttentionPath::kSdpa;
  return folded <= blocked ? AttentionPath::kFolded : AttentionPath::kBlocked;
}

}  // namespace xattn
