#include "layer_bench.h"

#include <ATen/ops/conv2d.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/silu.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "core/timing.h"
#include "ops/self_attention.h"
#include "support/difference.h"
#include "xattn/ops/conv2d.h"
#include "xattn/ops/geglu.h"
#include "xattn/ops/group_norm.h"
#include "xattn/ops/linear.h"

namespace xattn::apps {
namespace {

/// The median of some calls in a row, enough to fill a turn.
template <typename Work>
double turn(const Work& work) {
  const auto once = seconds_of(work);  // warms the caches, too
  std::vector<double> seconds;
  for (auto left = std::clamp(static_cast<int>(0.01 / once), 1, 100); left > 0; --left) {
    seconds.push_back(seconds_of(work));
  }
  return median(seconds);
}

LayerCase linear_case(int64_t rows, int64_t in, int64_t out) {
  return {fmt::format("Linear {}x{}->{}", rows, in, out), [=] {
            const auto x = at::randn({rows, in}), weight = at::randn({out, in}),
                       bias = at::randn({out});
            return LayerPair{[=] { return xattn::linear(x, weight, bias); },
                             [=] { return at::linear(x, weight, bias); }};
          }};
}

LayerCase geglu_case(int64_t rows, int64_t width) {
  return {fmt::format("GEGLU {}x{}->{}", rows, width, 4 * width), [=] {
            const auto x = at::randn({rows, width}),
                       weight = at::randn({8 * width, width}).div_(16),
                       bias = at::randn({8 * width});
            return LayerPair{[=] { return xattn::geglu(x, weight, bias); },
                             [=] {
                               const auto halves = at::linear(x, weight, bias).chunk(2, -1);
                               return halves[0].mul(at::gelu(halves[1]));
                             }};
          }};
}

/// Images whose channels lie side by side, as convolutions leave them.
at::Tensor pixels(int64_t batch, int64_t channels, int64_t size) {
  return at::randn({batch, channels, size, size}).contiguous(at::MemoryFormat::ChannelsLast);
}

LayerCase conv2d_case(int64_t batch, int64_t in, int64_t out, int64_t size, int64_t stride = 1) {
  const auto* const name = stride == 1 ? "Conv2d" : "Conv2d /2";
  return {fmt::format("{} {}x{}x{}x{}->{}", name, batch, in, size, size, out), [=] {
            const auto x = pixels(batch, in, size), weight = at::randn({out, in, 3, 3}),
                       bias = at::randn({out});
            return LayerPair{[=] { return xattn::conv2d(x, weight, bias, stride, 1); },
                             [=] { return at::conv2d(x, weight, bias, stride, 1); }};
          }};
}

LayerCase pointwise_conv2d_case(int64_t batch, int64_t in, int64_t out, int64_t size) {
  return {fmt::format("Conv2d 1x1 {}x{}x{}x{}->{}", batch, in, size, size, out), [=] {
            const auto x = pixels(batch, in, size), weight = at::randn({out, in, 1, 1}),
                       bias = at::randn({out});
            return LayerPair{[=] { return xattn::conv2d(x, weight, bias, 1, 0); },
                             [=] { return at::conv2d(x, weight, bias); }};
          }};
}

LayerCase group_norm_case(bool silu, int64_t batch, int64_t channels, int64_t size) {
  return {fmt::format("GroupNorm{} {}x{}x{}x{}", silu ? "+SiLU" : "", batch, channels, size, size),
          [=] {
            const auto x = pixels(batch, channels, size), weight = at::randn({channels}),
                       bias = at::randn({channels});
            const auto activation = silu ? NormActivation::kSilu : NormActivation::kNone;
            return LayerPair{
                [=] { return xattn::group_norm(x, 32, weight, bias, 1e-5, activation); },
                [=] {
                  const auto output = at::group_norm(x, 32, weight, bias, 1e-5);
                  return silu ? at::silu(output) : output;
                }};
          }};
}

LayerCase self_attention_case(int64_t batch, int64_t heads, int64_t tokens, int64_t width) {
  return {fmt::format("SelfAttention {}x{}x{}x{}", batch, heads, tokens, width), [=] {
            const auto projected = [=] {  // as the projections leave it
              return at::randn({batch, tokens, heads, width}).transpose(1, 2);
            };
            const auto query = projected(), key = projected(), value = projected();
            return LayerPair{[=] {
                               return xattn::scaled_dot_product_attention(
                                   query, key, value, std::sqrt(static_cast<double>(width)));
                             },
                             [=] { return at::scaled_dot_product_attention(query, key, value); }};
          }};
}

void add_linear_cases(std::vector<LayerCase>& cases) {
  for (const int64_t batch : {1, 2}) {
    // Transformer blocks, with square layers and those of the feed-forward part.
    for (const auto& [tokens, width] : {std::pair<int64_t, int64_t>{4096, 320},
                                        {4096, 640},
                                        {1024, 640},
                                        {1024, 1280},
                                        {256, 1280},
                                        {64, 1280}}) {
      const auto rows = batch * tokens;
      cases.push_back(linear_case(rows, width, width));
      cases.push_back(linear_case(rows, width, 8 * width));
      cases.push_back(geglu_case(rows, width));
      cases.push_back(linear_case(rows, 4 * width, width));
    }
    // Keys and values of the text.
    for (const int64_t text : {768, 1024, 2048}) {
      for (const int64_t width : {320, 640, 1280})
        cases.push_back(linear_case(batch * 77, text, width));
    }
    // Text encoders.
    for (const int64_t width : {768, 1024, 1280}) {
      cases.push_back(linear_case(batch * 77, width, width));
      cases.push_back(linear_case(batch * 77, width, 4 * width));
      cases.push_back(linear_case(batch * 77, 4 * width, width));
    }
    // Time embeddings.
    cases.push_back(linear_case(batch, 320, 1280));
    cases.push_back(linear_case(batch, 1280, 1280));
    cases.push_back(linear_case(batch, 1280, 320));
  }
}

void add_conv2d_cases(std::vector<LayerCase>& cases) {
  for (const int64_t batch : {1, 2}) {
    for (const auto& [in, out, size] : {std::tuple<int64_t, int64_t, int64_t>{320, 320, 64},
                                        {960, 320, 64},
                                        {640, 640, 32},
                                        {1920, 640, 32},
                                        {1280, 1280, 16},
                                        {2560, 1280, 16},
                                        {1280, 1280, 8}}) {
      cases.push_back(conv2d_case(batch, in, out, size));
    }
    for (const auto& [channels, size] :
         {std::pair<int64_t, int64_t>{320, 64}, {640, 32}, {1280, 16}}) {
      cases.push_back(conv2d_case(batch, channels, channels, size, 2));
    }
  }
  for (const auto& [in, out, size] : {std::tuple<int64_t, int64_t, int64_t>{512, 512, 64},
                                      {512, 512, 128},
                                      {512, 512, 256},
                                      {256, 256, 256},
                                      {256, 256, 512},
                                      {128, 128, 512}}) {
    cases.push_back(conv2d_case(1, in, out, size));
  }
}

void add_pointwise_conv2d_cases(std::vector<LayerCase>& cases) {
  for (const auto& [in, out, size] : {std::tuple<int64_t, int64_t, int64_t>{320, 320, 64},
                                      {960, 320, 64},
                                      {640, 640, 32},
                                      {1920, 640, 32},
                                      {1280, 1280, 16},
                                      {2560, 1280, 16},
                                      {2560, 1280, 8},
                                      {512, 256, 256},
                                      {256, 128, 512},
                                      {4, 4, 64}}) {
    cases.push_back(pointwise_conv2d_case(1, in, out, size));
  }
}

void add_group_norm_cases(std::vector<LayerCase>& cases) {
  for (const bool silu : {true, false}) {
    for (const auto& [channels, size] : {std::pair<int64_t, int64_t>{320, 64},
                                         {960, 64},
                                         {640, 32},
                                         {1920, 32},
                                         {1280, 16},
                                         {2560, 16},
                                         {1280, 8},
                                         {512, 64},
                                         {512, 256},
                                         {128, 512}}) {
      cases.push_back(group_norm_case(silu, 1, channels, size));
    }
  }
}

void add_self_attention_cases(std::vector<LayerCase>& cases) {
  for (const int64_t batch : {1, 2}) {
    // 1.5 has 8 heads, 2 and XL have heads that are 64 wide.
    for (const auto& [heads, tokens, width] : {std::tuple<int64_t, int64_t, int64_t>{8, 64, 160},
                                               {8, 256, 160},
                                               {8, 1024, 80},
                                               {8, 4096, 40},
                                               {20, 256, 64},
                                               {10, 1024, 64},
                                               {5, 4096, 64},
                                               {20, 1024, 64},
                                               {10, 4096, 64},
                                               {5, 9216, 64}}) {
      cases.push_back(self_attention_case(batch, heads, tokens, width));
    }
  }
  cases.push_back(self_attention_case(1, 1, 1024, 512));  // the autoencoder's
  cases.push_back(self_attention_case(1, 1, 4096, 512));
}

/// Of what was computed: a 1×1 convolution is a linear layer, too, and is named first.
std::string algorithm_of(const Plan& plan) {
  std::vector<std::string> algorithms;
  for (const auto& [name, choice] : plan.layers) {
    if (choice.uses > 0) algorithms.push_back(choice.algorithm);
  }
  return fmt::format("{}", fmt::join(algorithms, ", "));
}

}  // namespace

std::vector<LayerCase> layer_cases() {
  std::vector<LayerCase> cases;
  add_linear_cases(cases);
  add_conv2d_cases(cases);
  add_pointwise_conv2d_cases(cases);
  add_group_norm_cases(cases);
  add_self_attention_cases(cases);
  return cases;
}

Plan tune_layer(const LayerCase& test, const Plan& known) {
  auto plan = known;
  const UsePlan use(plan, Planning::kMeasure);
  test.make().ours();
  return plan;
}

nlohmann::ordered_json measure_layer(const LayerCase& test, int rounds, const Plan& known) {
  auto plan = known;
  const UsePlan use(plan);
  const auto [ours, theirs] = test.make();
  std::vector<double> our_seconds, their_seconds, ratios;
  for (int round = 0; round < rounds; ++round) {
    our_seconds.push_back(turn(ours));
    their_seconds.push_back(turn(theirs));
    ratios.push_back(their_seconds.back() / our_seconds.back());
  }
  return {{"case", test.name},
          {"algorithm", algorithm_of(plan)},
          {"milliseconds", median(our_seconds) * 1e3},
          {"milliseconds_of_libtorch", median(their_seconds) * 1e3},
          {"times_as_fast_as_libtorch", median(ratios)},
          {"difference", difference(ours(), theirs()).relative()}};
}

}  // namespace xattn::apps
