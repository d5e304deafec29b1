#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "pipelines/token_rows.h"

namespace xattn {
namespace {

/// A text as compel encodes it: one row, and the tokens of each fragment that weighs less than 1.
struct CompelRow {
  struct Range {
    int64_t start = 0, size = 0;
    double weight = 1;
  };
  TokenRow row;
  std::vector<Range> played_down;
};

CompelRow row_of(const CLIPTokenizer& tokenizer, const std::vector<PromptFragment>& fragments,
                 bool warn) {
  const auto room = tokens_per_row(tokenizer);
  CompelRow result{empty_row(tokenizer), {}};
  TokenizeOptions options;
  options.padding = false;
  std::vector<int64_t> ids, left_out;
  std::vector<double> weights;
  for (const auto& fragment : fragments) {
    // Each fragment is cut by itself before all of them are; bos and eos go again.
    const auto tokens = tokenizer.encode(fragment.text, options);
    const auto size = static_cast<int64_t>(tokens.ids.size()) - 2;
    const auto start = static_cast<int64_t>(ids.size()) + 1;
    ids.insert(ids.end(), tokens.ids.begin() + 1, tokens.ids.end() - 1);
    weights.resize(ids.size(), fragment.weight);
    left_out.insert(left_out.end(), tokens.overflowing_tokens.begin(),
                    tokens.overflowing_tokens.end());
    if (size > 0 && fragment.weight < 1 && start <= room) {
      // As in the original, a fragment that is cut off takes the eos behind it along.
      result.played_down.push_back({start, std::min(size, room + 2 - start), fragment.weight});
    }
  }
  const auto used = std::min(room, static_cast<int64_t>(ids.size()));
  left_out.insert(left_out.begin(), ids.begin() + used, ids.end());
  if (warn && !left_out.empty()) {
    TORCH_WARN("[encode_weighted_prompt] prompt: more than ", room, " tokens; left out: \"",
               tokenizer.decode(left_out), "\"");
  }
  std::copy_n(ids.begin(), used, result.row.ids.begin() + 1);
  std::copy_n(weights.begin(), used, result.row.weights.begin() + 1);
  // Behind the bos and the text come the eos and the padding that the row has already.
  std::fill(result.row.ids.begin() + 1 + used, result.row.ids.end(), tokenizer.pad_token_id());
  result.row.ids[static_cast<size_t>(used + 1)] = tokenizer.eos_token_id();
  return result;
}

class CompelEncoder {
 public:
  CompelEncoder(const CLIPTokenizer& tokenizer, const EncodeIds& encode)
      : tokenizer_(tokenizer), encode_(encode) {}

  /// `[1, T, E]`
  at::Tensor part(const CompelPart& part) {
    at::Tensor states;
    if (part.blend_weights.empty()) {
      states = text(part.texts.at(0));
    } else {
      std::vector<at::Tensor> texts;
      for (const auto& fragments : part.texts) texts.push_back(text(fragments));
      states = mixed(at::cat(texts), part.blend_weights, part.normalize);
    }
    return part.weight == 1 ? states : empty() + (states - empty()) * part.weight;
  }

  /// What the encoder pools of the prompt, signs and all; undefined where it pools nothing.
  at::Tensor pooled(const std::string& prompt) {
    if (!pooled_.defined()) return {};
    const auto ids = ids_of_rows({row_of(tokenizer_, {{prompt}}, false).row});
    if (at::equal(ids, first_ids_)) return pooled_;
    return encode_rows(encode_, ids).pooled;
  }

  at::ScalarType dtype() const { return dtype_; }

 private:
  at::Tensor text(const std::vector<PromptFragment>& fragments) {
    const auto made = row_of(tokenizer_, fragments, true);
    const auto ids = ids_of_rows({made.row});
    const auto others = static_cast<int64_t>(made.played_down.size());
    // Beside the whole text, one without each fragment that weighs less.
    at::Tensor mask;
    std::vector<double> factors = {1};
    if (others > 0) {
      mask = at::ones({others + 1, ids.size(1)}, at::kLong);
      for (const auto& range : made.played_down) {
        mask[static_cast<int64_t>(factors.size())].narrow(0, range.start, range.size).zero_();
        constexpr double kLeast = 1e-5;
        factors.push_back(std::tan((1 - std::max(kLeast, range.weight)) * std::numbers::pi / 2));
      }
    }
    const auto encoded = encode_rows(encode_, ids.expand({others + 1, -1}), mask);
    if (!first_ids_.defined()) {
      first_ids_ = ids;
      dtype_ = encoded.hidden_states.scalar_type();
      if (encoded.pooled.defined()) pooled_ = encoded.pooled.narrow(0, 0, 1);
    }
    return mixed(weighted(widened(encoded.hidden_states), made.row), factors, true);
  }

  at::Tensor weighted(const at::Tensor& states, const TokenRow& row) {
    const auto weights = weights_of_rows({row}, states);
    if (std::all_of(row.weights.begin(), row.weights.end(), [](double w) { return w == 1; })) {
      return states;
    }
    return at::where(weights.eq(1), states, empty() + (states - empty()) * weights);
  }

  /// The sum of `[B, T, E]` over B with factors, as `[1, T, E]`.
  static at::Tensor mixed(const at::Tensor& states, const std::vector<double>& factors,
                          bool normalize) {
    auto weights = at::tensor(factors, at::kDouble).to(states.options());
    if (normalize) weights = weights / weights.sum();
    return (states * weights.view({-1, 1, 1})).sum(0, /*keepdim=*/true);
  }

  const at::Tensor& empty() {
    if (!empty_.defined()) {
      empty_ = widened(encode_rows(encode_, ids_of_rows({empty_row(tokenizer_)})).hidden_states);
    }
    return empty_;
  }

  const CLIPTokenizer& tokenizer_;
  const EncodeIds& encode_;
  at::Tensor empty_;
  // Of the first text, unmasked.
  at::Tensor first_ids_, pooled_;
  at::ScalarType dtype_ = at::kFloat;
};

}  // namespace

EncodedText encode_compel_prompt(const CLIPTokenizer& tokenizer, const EncodeIds& encode,
                                 const std::string& prompt) {
  CompelEncoder encoder(tokenizer, encode);
  std::vector<at::Tensor> parts;
  for (const auto& part : parse_compel_prompt(prompt)) parts.push_back(encoder.part(part));
  return {at::cat(parts, 1).to(encoder.dtype()), encoder.pooled(prompt)};
}

}  // namespace xattn
