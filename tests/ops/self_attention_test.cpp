// Self attention takes our kernels or LibTorch's, and says the same whichever it takes.

#include "ops/self_attention.h"

#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <array>
#include <cmath>
#include <fstream>
#include <functional>
#include <limits>
#include <thread>

#include "ops/cpu/choice.h"
#include "ops/cpu/self_attention.h"
#include "support/parity.h"
#include "xattn/ops/cross_attention.h"

namespace xattn {
namespace {

using testing::is_near;
using testing::is_same;

constexpr double kAttentionTolerance = 3e-6;

struct Heads {
  at::Tensor query, key, value;

  double divisor() const { return std::sqrt(double(query.size(3))); }
  at::Tensor ours() const { return cpu::self_attention(query, key, value, divisor()); }
  at::Tensor theirs() const { return at::scaled_dot_product_attention(query, key, value); }
  at::Tensor in_doubles() const {
    return at::scaled_dot_product_attention(query.to(at::kDouble), key.to(at::kDouble),
                                            value.to(at::kDouble))
        .to(at::kFloat);
  }
  Heads with(const std::function<at::Tensor(const at::Tensor&)>& layout) const {
    return {layout(query), layout(key), layout(value)};
  }
};

/// As projections leave them: token by token.
Heads random_heads(int64_t batch, int64_t heads, int64_t queries, int64_t keys, int64_t width) {
  const auto random = [&](int64_t tokens) {
    return torch::randn({batch, tokens, heads, width}).transpose(1, 2);
  };
  const auto query = random(queries), key = random(keys), value = random(keys);
  return {query, key, value};
}

class SelfAttentionKernel : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!cpu::use_kernels()) GTEST_SKIP() << "no kernels but LibTorch's";
    torch::manual_seed(7);
  }
  torch::NoGradGuard no_grad_;
};

TEST_F(SelfAttentionKernel, OfAnySizeIsLibTorchs) {
  for (const auto& [batch, count, queries, keys, width] : {std::array<int64_t, 5>{1, 1, 1, 1, 1},
                                                           {2, 3, 7, 7, 5},
                                                           {1, 2, 64, 64, 40},
                                                           {2, 8, 77, 77, 64},
                                                           {1, 3, 257, 257, 80},
                                                           {1, 2, 300, 300, 160},
                                                           {3, 1, 130, 130, 512},
                                                           {1, 1, 70, 70, 1030},
                                                           {1, 5, 1000, 1000, 40},
                                                           {1, 1, 2049, 2049, 41},
                                                           {3, 2, 65, 129, 24}}) {
    const auto heads = random_heads(batch, count, queries, keys, width);
    const auto expected = heads.in_doubles(), output = heads.ours();
    EXPECT_TRUE(is_near("tokens", output, expected, kAttentionTolerance))
        << queries << ' ' << width;
    EXPECT_TRUE(
        is_same("heads", heads.with([](const auto& x) { return x.contiguous(); }).ours(), output));
    EXPECT_TRUE(
        is_same("every other",
                heads
                    .with([](const auto& x) {
                      return torch::stack({x, x}, 4).flatten(3, 4).slice(3, 0, INT64_MAX, 2);
                    })
                    .ours(),
                output));
    EXPECT_TRUE(output.transpose(1, 2).is_contiguous());
  }
}

TEST_F(SelfAttentionKernel, OfLargeLogitsIsAsNearAsLibTorchs) {
  for (const double size : {1e1, 1e3, 1e4}) {
    auto heads = random_heads(1, 2, 200, 500, 40);
    heads.query = heads.query * size;
    const auto expected = heads.in_doubles();
    const auto of_theirs = difference(heads.theirs(), expected).relative(),
               of_ours = difference(heads.ours(), expected).relative();
    EXPECT_LE(of_ours, 4 * of_theirs + kAttentionTolerance) << size;
  }
}

TEST_F(SelfAttentionKernel, HasInfinitiesAndNaNWhereLibTorchHas) {
  constexpr auto kInfinite = std::numeric_limits<double>::infinity();
  constexpr auto kNotANumber = std::numeric_limits<double>::quiet_NaN();
  using Change = std::function<void(const Heads&)>;
  const std::array<Change, 9> changes = {
      [&](const Heads& heads) { heads.query[0][0][5].fill_(kNotANumber); },
      [&](const Heads& heads) { heads.query[0][0][5].fill_(kInfinite); },
      [&](const Heads& heads) { heads.query[0][0][5].fill_(-kInfinite); },
      [&](const Heads& heads) { heads.key[0][0][5].fill_(kNotANumber); },
      [&](const Heads& heads) { heads.key[0][0][5].fill_(kInfinite); },
      [&](const Heads& heads) { heads.key[0][0][5].fill_(-kInfinite); },
      [&](const Heads& heads) { heads.key[0][0].fill_(-kInfinite); },
      [&](const Heads& heads) { heads.value[0][0][5][3].fill_(kNotANumber); },
      [&](const Heads& heads) { heads.value[0][0][5][3].fill_(kInfinite); },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const auto heads =
        random_heads(1, 2, 70, 300, 40).with([](const auto& x) { return x.abs().contiguous(); });
    changes[i](heads);
    const auto ours = heads.ours(), theirs = heads.theirs();
    EXPECT_TRUE(is_same("not a number", ours.isnan(), theirs.isnan())) << i;
    EXPECT_TRUE(is_same("infinite", ours.isinf(), theirs.isinf())) << i;
    EXPECT_TRUE(is_near("others", ours.nan_to_num(0, 0, 0), theirs.nan_to_num(0, 0, 0),
                        kAttentionTolerance))
        << i;
  }
}

TEST_F(SelfAttentionKernel, IsTheSameOnAnyNumberOfCores) {
  const auto threads = at::get_num_threads();
  const auto heads = random_heads(1, 3, 1111, 1111, 40);
  const auto expected = heads.ours();
  for (const int some : {1, 2, 3, 8}) {
    at::set_num_threads(some);
    EXPECT_TRUE(is_same("output", heads.ours(), expected)) << some;
  }
  at::set_num_threads(threads);
}

TEST_F(SelfAttentionKernel, FromEightThreadsAtOnceIsTheSame) {
  const auto heads = random_heads(2, 2, 130, 130, 40);
  const auto expected = heads.ours();
  std::array<at::Tensor, 8> outputs;
  std::vector<std::thread> threads;
  for (auto& output : outputs) {
    threads.emplace_back([&] {
      const torch::NoGradGuard no_grad;
      for (int i = 0; i < 10; ++i) output = heads.ours();
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& output : outputs) EXPECT_TRUE(is_same("output", output, expected));
}

// The twins that must fail.
TEST_F(SelfAttentionKernel, NoticesWhatChanged) {
  for (const auto part : {&Heads::query, &Heads::key, &Heads::value}) {
    const auto heads = random_heads(1, 2, 100, 100, 40);
    const auto expected = heads.in_doubles();
    (heads.*part)[0][1][50][7] += 1;
    EXPECT_FALSE(is_near("output", heads.ours(), expected, kAttentionTolerance));
  }
}

int64_t resident_bytes(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind(key + ":", 0) == 0) return std::stoll(line.substr(key.size() + 1)) * 1024;
  }
  return 0;
}

TEST_F(SelfAttentionKernel, NeedsAtMost2MiBAThread) {
  const auto heads = random_heads(1, 5, 4096, 4096, 64);
  random_heads(1, 5, 256, 256, 64).ours();  // what threads keep for themselves
  if (!(std::ofstream("/proc/self/clear_refs") << "5"))
    GTEST_SKIP() << "the peak cannot be reset here";
  const auto before = resident_bytes("VmRSS");
  const auto output = heads.ours();
  const auto beside = resident_bytes("VmHWM") - before - int64_t(output.nbytes());
  EXPECT_LE(beside, (at::get_num_threads() + int64_t{1}) << 21);
}

TEST(SelfAttentionChoice, IsTheSameEachTime) {
  for (const int64_t tokens : {1, 16, 64, 4096}) {
    for (const int64_t width : {1, 40, 512}) {
      const auto faster = cpu::self_attention_is_faster(tokens, tokens, width);
      EXPECT_EQ(cpu::self_attention_is_faster(tokens, tokens, width), faster);
      EXPECT_LE(faster, cpu::use_kernels());
      EXPECT_LE(faster, cpu::processor() != cpu::Processor::kOther);
    }
  }
}

TEST(SelfAttentionOp, IsLibTorchsWhicheverItTakes) {
  torch::manual_seed(8);
  const torch::NoGradGuard no_grad;
  for (const int64_t tokens : {1, 100, 300}) {
    const auto heads = random_heads(2, 2, tokens, tokens, 40);
    EXPECT_TRUE(is_near(
        "output", scaled_dot_product_attention(heads.query, heads.key, heads.value, 2),
        at::scaled_dot_product_attention(heads.query, heads.key, heads.value, {}, 0, false, 0.5),
        1e-5));
    for (const auto type : {at::kDouble, at::kBFloat16}) {
      const auto other = heads.with([&](const auto& x) { return x.to(type); });
      EXPECT_TRUE(is_same(
          "other types",
          scaled_dot_product_attention(other.query, other.key, other.value, other.divisor()),
          other.theirs()));
    }
  }
  const auto heads = random_heads(1, 2, 100, 100, 40);
  EXPECT_ANY_THROW(scaled_dot_product_attention(heads.query, heads.key.slice(3, 0, 32),
                                                heads.value.slice(3, 0, 32), 1));
  EXPECT_EQ(scaled_dot_product_attention(heads.query.slice(0, 0, 0), heads.key.slice(0, 0, 0),
                                         heads.value.slice(0, 0, 0), 1)
                .sizes(),
            (at::IntArrayRef{0, 2, 100, 40}));
}

TEST(SelfAttentionOp, GivesWayToGradientsAndAutocast) {
  torch::manual_seed(9);
  const auto heads = random_heads(1, 2, 100, 100, 40);
  const auto key = heads.key.detach().clone().requires_grad_(true);
  const auto output = scaled_dot_product_attention(heads.query, key, heads.value, heads.divisor());
  EXPECT_TRUE(is_same("output", output.detach(),
                      at::scaled_dot_product_attention(heads.query, key, heads.value).detach()));
  output.sum().backward();
  EXPECT_TRUE(key.grad().defined());
  const torch::NoGradGuard no_grad;
  at::autocast::set_autocast_enabled(at::kCPU, true);
  const auto cast =
      scaled_dot_product_attention(heads.query, heads.key, heads.value, heads.divisor());
  at::autocast::set_autocast_enabled(at::kCPU, false);
  at::autocast::clear_cache();
  EXPECT_EQ(cast.scalar_type(), at::kBFloat16);
}

TEST(SelfAttentionOp, WithItsProjectionsIsTheDefinition) {
  torch::manual_seed(10);
  const torch::NoGradGuard no_grad;
  const auto weight = [] { return torch::randn({80, 80}) / 9; };
  CrossAttentionWeights weights;
  weights.query_weight = weight(), weights.key_weight = weight(), weights.value_weight = weight(),
  weights.out_weight = weight();
  weights.query_bias = torch::randn({80}), weights.out_bias = torch::randn({80});
  weights.num_heads = 2, weights.divisor = std::sqrt(40.0);
  for (const auto& features :
       {torch::randn({2, 100, 80}), torch::randn({2, 80, 100}).transpose(1, 2)}) {
    const auto text = prepare_text(weights, features, std::nullopt, AttentionPath::kExplicit);
    EXPECT_TRUE(is_near("output", self_attention(weights, features),
                        cross_attention(features, text), 1e-5));
  }
  EXPECT_EQ(self_attention_is_faster(weights, torch::randn({2, 100, 80})),
            cpu::self_attention_is_faster(100, 100, 40));
  EXPECT_FALSE(self_attention_is_faster(weights, torch::randn({2, 0, 80})));
  EXPECT_FALSE(self_attention_is_faster(weights, torch::randn({2, 100, 80}, at::kDouble)));
}

}  // namespace
}  // namespace xattn
