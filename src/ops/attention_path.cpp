#include "xattn/ops/attention_path.h"

#include <algorithm>

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

// What a path costs beside its large products, in floating-point operations that take as long.
// Fitted to 150 shapes on AVX-512, see docs/performance.md; for shapes of diffusion models all are
// small.
constexpr double kSdpaSlowdown = 2.5;         // LibTorch's products beside ours
constexpr double kHeadProductSlowdown = 1.3;  // products as narrow as a head
constexpr double kPreparation = 3e6;
constexpr double kFolding = 1e6;
constexpr double kPackedElement = 5;

double blocked_cost(const AttentionShape& s, double rows, bool prepared) {
  const double widths = double(s.image_width + s.out_width);
  const double heads = 2 * product(rows, double(s.inner_width), double(round_up(s.text_tokens, 8)));
  const double large = product(rows, widths, double(s.inner_width)) + kHeadProductSlowdown * heads;
  if (prepared) return large;
  return large + text_flops(s) + kPreparation + kPackedElement * widths * double(s.inner_width);
}

double folded_cost(const AttentionShape& s, double rows, bool prepared) {
  const double widths = double(s.image_width + s.out_width),
               inner = double(s.num_heads * s.text_tokens);
  const double large = product(rows, widths, inner);
  if (prepared) return large;
  const double folding =
      product(double(s.batch * round_up(s.text_tokens, 8)), double(s.inner_width), widths);
  const double packed = widths * (double(s.inner_width) + double(s.batch) * inner);
  return large + text_flops(s) + folding + kPreparation + kFolding + kPackedElement * packed;
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
  // Blocks are a whole number of vectors.
  const double rows = double(shape.batch * round_up(shape.image_tokens, 32));
  const double blocked = blocked_cost(shape, rows, prepared),
               folded = folded_cost(shape, rows, prepared);
  const double best = std::min(blocked, folded);
  if (!prepared && kSdpaSlowdown * attention_flops(AttentionPath::kSdpa, shape, false) < best) {
    return AttentionPath::kSdpa;
  }
  return folded <= blocked ? AttentionPath::kFolded : AttentionPath::kBlocked;
}

}  // namespace xattn
