#include "xattn/ops/cross_attention.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/check.h"
#include "ops/check_prepared.h"
#include "ops/cpu/blocked_attention.h"
#include "ops/cpu/choice.h"
#include "ops/gradient.h"
#include "ops/kernel_arguments.h"
#include "ops/planned.h"
#include "ops/recorded_attention.h"
#include "xattn/ops/attention.h"
#include "xattn/ops/attention_path.h"
#include "xattn/ops/linear.h"

namespace xattn {
namespace {

constexpr auto kCrossAttentionOp = "cross_attention";
constexpr auto kTextArgument = "text (prepared)";

/// `[B, L, I]` to `[B, H, L, I/H]`.
at::Tensor split_heads(const at::Tensor& features, int64_t num_heads) {
  return features.unflatten(-1, {num_heads, -1}).transpose(1, 2);
}

AttentionShape shape_of(const CrossAttentionWeights& weights, const at::Tensor& text_features,
                        int64_t image_tokens) {
  return {text_features.size(0),        image_tokens,
          text_features.size(1),        weights.num_heads,
          weights.query_weight.size(1), weights.key_weight.size(1),
          weights.query_weight.size(0), weights.out_weight.size(0)};
}

/// The paths made of LibTorch's operators, which work on every device, for every dtype and with
/// gradients. The query's and the output's weight are given as wide as the features.
at::Tensor by_operators(const at::Tensor& image_features, const PreparedText& text,
                        const at::Tensor& query_weight, const at::Tensor& out_weight) {
  const auto& weights = text.weights;
  const auto query = split_heads(
      at::linear(image_features, query_weight, if_defined(weights.query_bias)), weights.num_heads);
  // Another dtype than the text's: under autocast, or outside it with a text prepared there.
  const auto key = text.key.to(query.scalar_type()), value = text.value.to(query.scalar_type());
  const auto heads =
      text.path == AttentionPath::kExplicit
          ? at::matmul(attention_weights(query, key, weights.divisor, text.mask), value)
          : at::scaled_dot_product_attention(query, key, value, text.mask, 0.0, false,
                                             1 / weights.divisor);
  return at::linear(heads.transpose(1, 2).flatten(2), out_weight, if_defined(weights.out_bias));
}

/// Image tokens at once, so that a path's queries, scores and heads take at most 8 MiB.
int64_t tokens_at_once(const PreparedText& text, int64_t batch) {
  const auto& weights = text.weights;
  constexpr int64_t kBytes = int64_t{8} << 20;
  const auto inner = weights.query_weight.size(0);
  // LibTorch's fused attention keeps only a tile of the scores.
  const bool keeps_scores = text.path == AttentionPath::kExplicit;
  const auto scores = keeps_scores ? weights.num_heads * text.key.size(2) : 0;
  const auto bytes = text.key.element_size() * std::max<int64_t>(1, batch) *
                     (3 * inner + 3 * scores + weights.out_weight.size(0));
  return std::max<int64_t>(16, kBytes / bytes);
}

[[noreturn]] void throw_changed(std::string_view place) {
  throw_value_error(place, kTextArgument, "the weights that it was prepared with",
                    "others: prepare it again after they change");
}

/// Reading past the end of memory is what another shape or an old text would lead to.
void check_text(const at::Tensor& image_features, const PreparedText& text) {
  if (!text.key.defined())
    throw_value_error(kCrossAttentionOp, kTextArgument, "one that prepare_text made", "none");
  const auto width = text.weights.query_weight.size(1);
  if (text.batch_size() == 1) {
    check_shape(kCrossAttentionOp, "image_features", image_features, {"B", "N", width});
  } else {
    check_shape(kCrossAttentionOp, "image_features", image_features,
                {text.batch_size(), "N", width});
  }
  if (!text.versions.are_current()) throw_changed(kCrossAttentionOp);
}

std::string name_of(const AttentionShape& shape, bool prepared) {
  const auto& [batch, image_tokens, text_tokens, heads, width, text_width, inner, out] = shape;
  const auto name = fmt::format("cross_attention {}x{}x{}->{}, {} heads", batch, text_tokens,
                                text_width, inner, heads);
  return prepared ? name + ", prepared"
                  : name + fmt::format(", {}x{}->{}", image_tokens, width, out);
}

/// `choose_attention_path`'s, unless this thread's plan says another.
AttentionPath planned_path(const AttentionShape& shape, bool prepared) {
  std::array paths = {AttentionPath::kFolded, AttentionPath::kBlocked, AttentionPath::kSdpa,
                      AttentionPath::kExplicit};
  std::swap(paths[0],
            *std::find(paths.begin(), paths.end(), choose_attention_path(shape, prepared)));
  const std::vector<std::string> texts = {to_string(paths[0]), to_string(paths[1]),
                                          to_string(paths[2]), to_string(paths[3])};
  const std::vector<std::string_view> names(texts.begin(), texts.end());
  return paths[choose_algorithm([&] { return name_of(shape, prepared); }, names)];
}

}  // namespace

bool layer_wants_gradient(const CrossAttentionWeights& weights, const at::Tensor& features) {
  return wants_gradient({features, weights.query_weight, weights.key_weight, weights.value_weight,
                         weights.out_weight, weights.query_bias, weights.key_bias,
                         weights.value_bias, weights.out_bias});
}

at::Tensor recorded_attention(const CrossAttentionWeights& weights,
                              const at::Tensor& image_features, const at::Tensor& text_features,
                              const std::optional<at::Tensor>& mask) {
  const auto heads_of = [&](const at::Tensor& features, const at::Tensor& weight,
                            const at::Tensor& bias) {
    return split_heads(at::linear(features, widened_for(features, weight), if_defined(bias)),
                       weights.num_heads);
  };
  const auto query = heads_of(image_features, weights.query_weight, weights.query_bias);
  const auto key = heads_of(text_features, weights.key_weight, weights.key_bias);
  const auto value = heads_of(text_features, weights.value_weight, weights.value_bias);
  const auto heads =
      at::scaled_dot_product_attention(query, key, value, mask, 0.0, false, 1 / weights.divisor);
  return at::linear(heads.transpose(1, 2).flatten(2),
                    widened_for(image_features, weights.out_weight), if_defined(weights.out_bias));
}

bool can_use_blocks(const CrossAttentionWeights& weights, const at::Tensor& features) {
  return cpu::use_kernels() && features.is_cpu() && features.scalar_type() == at::kFloat &&
         is_packable(weights.query_weight) && is_packable(weights.key_weight) &&
         is_packable(weights.value_weight) && is_packable(weights.out_weight) &&
         !layer_wants_gradient(weights, features) && !is_autocast(at::kCPU);
}

PreparedText prepare_text(const CrossAttentionWeights& weights, const at::Tensor& text_features,
                          const std::optional<at::Tensor>& mask, AttentionPath path,
                          std::optional<int64_t> image_tokens) {
  const auto text_width = weights.key_weight.size(1);
  check_shape("prepare_text", "text_features", text_features, {"B", "T", text_width});
  if (mask) {
    check_shape("prepare_text", "mask", *mask,
                {text_features.size(0), 1, 1, text_features.size(1)});
  }
  const bool can = can_use_blocks(weights, text_features) && !(mask && mask->requires_grad());
  if (path == AttentionPath::kAuto && can) {
    path = planned_path(shape_of(weights, text_features, image_tokens.value_or(1)),
                        /*prepared=*/!image_tokens);
  }
  const bool by_blocks = can && (path == AttentionPath::kBlocked || path == AttentionPath::kFolded);
  if (!by_blocks && path != AttentionPath::kExplicit) path = AttentionPath::kSdpa;

  const auto project = [&](const at::Tensor& weight, const at::Tensor& bias) {
    return split_heads(
        by_blocks ? xattn::linear(text_features, weight, bias)
                  : at::linear(text_features, widened_for(text_features, weight), if_defined(bias)),
        weights.num_heads);
  };
  PreparedText text;
  text.weights = weights;
  text.versions = TensorVersions(parameters_of(weights));
  text.key = project(weights.key_weight, weights.key_bias);
  text.value = project(weights.value_weight, weights.value_bias);
  text.mask = mask;
  text.path = path;
  if (!by_blocks) return text;
  text.blocks = std::make_shared<const cpu::PreparedBlocks>(cpu::prepare_blocks(text));
  return text;
}

std::vector<at::Tensor> parameters_of(const CrossAttentionWeights& w) {
  if (!w.parameters.empty()) return w.parameters;
  return {w.query_weight, w.key_weight, w.value_weight, w.out_weight,
          w.query_bias,   w.key_bias,   w.value_bias,   w.out_bias};
}

void check_prepared(std::string_view place, const PreparedText& text,
                    const CrossAttentionWeights& weights) {
  if (!text.key.defined()) {
    check_shape(place, kTextArgument, text.key,
                {"B", weights.num_heads, "T", weights.query_weight.size(0) / weights.num_heads});
  }
  if (!text.versions.are_of(parameters_of(weights)))
    throw_value_error(place, kTextArgument, "one that this layer prepared", "another's");
  if (!text.versions.are_current()) throw_changed(place);
}

at::Tensor cross_attention(const at::Tensor& image_features, const PreparedText& text) {
  const auto& weights = text.weights;
  check_text(image_features, text);
  if (text.blocks && can_use_blocks(weights, image_features)) {
    return cpu::blocked_attention(image_features, *text.blocks);
  }
  const bool keeps_graph = layer_wants_gradient(weights, image_features) ||
                           (c10::GradMode::is_enabled() && text.key.requires_grad());
  const auto tokens = image_features.size(1),
             at_once = tokens_at_once(text, image_features.size(0));
  const auto query_weight = widened_for(image_features, weights.query_weight),
             out_weight = widened_for(image_features, weights.out_weight);
  if (!image_features.is_cpu() || keeps_graph || tokens <= at_once) {
    return by_operators(image_features, text, query_weight, out_weight);
  }
  auto output = at::empty({image_features.size(0), tokens, weights.out_weight.size(0)},
                          image_features.options());
  for (int64_t start = 0; start < tokens; start += at_once) {
    const auto count = std::min(at_once, tokens - start);
    output.narrow(1, start, count)
        .copy_(
            by_operators(image_features.narrow(1, start, count), text, query_weight, out_weight));
  }
  return output;
}

}  // namespace xattn
