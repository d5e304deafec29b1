// Weights that are stored in half precision give what they give when they are widened first.

#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <cmath>

#include "ops/cpu/choice.h"
#include "ops/self_attention.h"
#include "support/parity.h"
#include "xattn/ops/conv2d.h"
#include "xattn/ops/cross_attention.h"
#include "xattn/ops/linear.h"

namespace xattn {
namespace {

using testing::is_near;

constexpr double kRounding = 1e-6;

class StoredWeightsOp : public ::testing::TestWithParam<at::ScalarType> {
 protected:
  void SetUp() override { torch::manual_seed(31); }

  at::Tensor matrix(int64_t out, int64_t in) { return torch::randn({out, in}) / std::sqrt(in); }
  at::Tensor narrow(const at::Tensor& weight) { return weight.to(GetParam()); }

  torch::NoGradGuard no_grad_;
};

TEST_P(StoredWeightsOp, LinearWidensThem) {
  for (const auto& [rows, in, out] :
       {std::array<int64_t, 3>{1, 320, 1280}, {2, 64, 24}, {600, 640, 640}, {77, 768, 320}}) {
    const auto x = torch::randn({rows, in}), weight = matrix(out, in), bias = torch::randn({out});
    const auto stored = narrow(weight);
    for (const auto& each : {bias, at::Tensor()}) {
      const auto expected = linear(x, stored.to(at::kFloat), each);
      EXPECT_TRUE(is_near("linear", linear(x, stored, each), expected, kRounding));
      EXPECT_TRUE(
          is_near("transposed", linear(x, stored.t().contiguous().t(), each), expected, kRounding));
      // The twin that must fail.
      EXPECT_FALSE(is_near("not rounded", linear(x, weight, each), expected, kRounding));
    }
  }
}

TEST_P(StoredWeightsOp, Conv2dWidensThem) {
  for (const auto& [kernel, stride, padding, channels] :
       {std::array<int64_t, 4>{3, 1, 1, 32}, {3, 2, 1, 32}, {1, 1, 0, 32}, {3, 1, 1, 20}}) {
    const auto weight = matrix(48, channels * kernel * kernel).view({48, channels, kernel, kernel}),
               bias = torch::randn({48}), x = torch::randn({2, channels, 33, 40});
    for (const auto& input : {x, x.contiguous(at::MemoryFormat::ChannelsLast)}) {
      const auto stored = narrow(weight);
      const auto expected = conv2d(input, stored.to(at::kFloat), bias, stride, padding),
                 output = conv2d(input, stored, bias, stride, padding);
      EXPECT_TRUE(is_near("conv2d", output, expected, kRounding));
      EXPECT_EQ(output.strides(), expected.strides());
      EXPECT_FALSE(is_near("not rounded", conv2d(input, weight, bias, stride, padding), expected,
                           kRounding));
    }
  }
}

TEST_P(StoredWeightsOp, AttentionWidensThem) {
  for (const auto& [image_tokens, text_tokens] : {std::pair{300, 77}, {70, 5}, {3000, 9}}) {
    CrossAttentionWeights exact;
    exact.query_weight = matrix(96, 80);
    exact.key_weight = matrix(96, 40);
    exact.value_weight = matrix(96, 40);
    exact.out_weight = matrix(72, 96);
    exact.query_bias = torch::randn({96});
    exact.out_bias = torch::randn({72});
    exact.num_heads = 4;
    exact.divisor = std::sqrt(24.0);
    auto stored = exact, wide = exact;
    for (auto weight : {&CrossAttentionWeights::query_weight, &CrossAttentionWeights::key_weight,
                        &CrossAttentionWeights::value_weight, &CrossAttentionWeights::out_weight}) {
      stored.*weight = narrow(exact.*weight);
      wide.*weight = (stored.*weight).to(at::kFloat);
    }
    const auto image = torch::randn({2, image_tokens, 80}),
               text = torch::randn({2, text_tokens, 40});
    for (const auto path : {AttentionPath::kAuto, AttentionPath::kExplicit, AttentionPath::kSdpa,
                            AttentionPath::kBlocked, AttentionPath::kFolded}) {
      const auto run = [&](const CrossAttentionWeights& weights) {
        return cross_attention(image, prepare_text(weights, text, std::nullopt, path));
      };
      EXPECT_EQ(can_use_blocks(stored, text), cpu::use_kernels());
      EXPECT_EQ(prepare_text(stored, text, std::nullopt, path).path,
                prepare_text(wide, text, std::nullopt, path).path);
      EXPECT_TRUE(is_near(to_string(path), run(stored), run(wide), kRounding));
      EXPECT_FALSE(is_near(to_string(path), run(exact), run(wide), kRounding));
    }
  }
}

TEST_P(StoredWeightsOp, SelfAttentionWidensThem) {
  CrossAttentionWeights stored;
  stored.query_weight = narrow(matrix(80, 64));
  stored.key_weight = narrow(matrix(80, 64));
  stored.value_weight = narrow(matrix(80, 64));
  stored.out_weight = narrow(matrix(64, 80));
  stored.num_heads = 2;
  stored.divisor = std::sqrt(40.0);
  auto wide = stored;
  for (auto weight : {&CrossAttentionWeights::query_weight, &CrossAttentionWeights::key_weight,
                      &CrossAttentionWeights::value_weight, &CrossAttentionWeights::out_weight}) {
    wide.*weight = (stored.*weight).to(at::kFloat);
  }
  const auto features = torch::randn({2, 1024, 64});
  EXPECT_EQ(self_attention_is_faster(stored, features), self_attention_is_faster(wide, features));
  EXPECT_TRUE(is_near("output", self_attention(stored, features), self_attention(wide, features),
                      kRounding));
}

// Where LibTorch's operators are to refuse, they still do.
TEST_P(StoredWeightsOp, OtherDtypesAreRefused) {
  const auto weight = narrow(matrix(32, 64));
  EXPECT_THROW(linear(torch::randn({8, 64}, at::kDouble), weight, at::Tensor()), c10::Error);
  EXPECT_THROW(linear(torch::randn({8, 64}), weight.to(at::kDouble), at::Tensor()), c10::Error);
  EXPECT_THROW(linear(torch::randn({8, 64}), weight, narrow(torch::randn({32}))), c10::Error);
  EXPECT_THROW(linear(torch::randn({64}), weight[0], at::Tensor()), c10::Error);
}

TEST_P(StoredWeightsOp, GradientsPassThroughThem) {
  const torch::AutoGradMode with_gradients(true);
  const auto weight = narrow(matrix(32, 64));
  const auto x = torch::randn({8, 64}).requires_grad_(true),
             other = x.detach().clone().requires_grad_(true);
  linear(x, weight, at::Tensor()).square().sum().backward();
  linear(other, weight.to(at::kFloat), at::Tensor()).square().sum().backward();
  EXPECT_TRUE(is_near("gradient", x.grad(), other.grad(), kRounding));
}

TEST_P(StoredWeightsOp, AutocastConvertsThem) {
  const auto x = torch::randn({64, 320}), weight = narrow(matrix(640, 320));
  at::autocast::set_autocast_enabled(at::kCPU, true);
  const auto output = linear(x, weight, at::Tensor()),
             expected = linear(x, weight.to(at::kFloat), at::Tensor());
  at::autocast::set_autocast_enabled(at::kCPU, false);
  at::autocast::clear_cache();
  EXPECT_EQ(output.scalar_type(), at::autocast::get_autocast_dtype(at::kCPU));
  EXPECT_TRUE(is_near("output", output, expected, kRounding));
}

INSTANTIATE_TEST_SUITE_P(Types, StoredWeightsOp, ::testing::Values(at::kHalf, at::kBFloat16),
                         [](const auto& info) { return std::string(toString(info.param)); });

}  // namespace
}  // namespace xattn
