#include "xattn/nn/cross_attention.h"

#include <gtest/gtest.h>
#include <torch/cuda.h>
#include <torch/nn/modules/container/any.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/utils.h>

#include <sstream>
#include <thread>

#include "support/errors.h"
#include "support/finite_differences.h"
#include "support/parity.h"
#include "xattn/io/state_dict.h"

namespace xattn {
namespace {

using testing::expect_value_error;
using testing::is_near;
using testing::is_same;

CrossAttention make_attention() {
  return CrossAttention(CrossAttentionOptions(16).num_heads(4));
}

// --- the module ---

TEST(CrossAttention, HasEightHeadsByDefault) {
  EXPECT_EQ(CrossAttention(256)->options.num_heads(), 8);
}

TEST(CrossAttention, RefusesOptionsThatCannotBe) {
  const auto make = [](int64_t embed_dim, int64_t num_heads) {
    return [=] { CrossAttention(CrossAttentionOptions(embed_dim).num_heads(num_heads)); };
  };
  expect_value_error(make(10, 8),
                     "[CrossAttention] embed_dim: expected a multiple of num_heads = 8, got 10");
  expect_value_error(make(0, 8), "[CrossAttention] embed_dim: expected 1 or more, got 0");
  expect_value_error(make(-8, 8), "[CrossAttention] embed_dim: expected 1 or more, got -8");
  expect_value_error(make(8, 0), "[CrossAttention] num_heads: expected 1 or more, got 0");
}

TEST(CrossAttention, PrintsItsOptions) {
  std::ostringstream stream;
  stream << *make_attention();
  EXPECT_EQ(stream.str()
                .substr(0, stream.str().find('\n'))
                .find("xattn::CrossAttention(embed_dim=16, num_heads=4)"),
            0u);
}

TEST(CrossAttention, ClonesDeeply) {
  auto attention = make_attention();
  auto clone = std::dynamic_pointer_cast<CrossAttentionImpl>(attention->clone());
  const auto image = torch::randn({2, 3, 16}), text = torch::randn({2, 5, 16});
  torch::NoGradGuard no_grad;
  const auto output = attention(image, text);
  EXPECT_TRUE(is_same("clone's output", clone->forward(image, text), output));
  clone->out_proj->bias.add_(1);
  EXPECT_TRUE(is_same("output", attention(image, text), output));
}

TEST(CrossAttention, IsTheSameInTrainingAndInEvaluation) {
  auto attention = make_attention();
  const auto image = torch::randn({2, 3, 16}), text = torch::randn({2, 5, 16});
  attention->train();
  const auto output = attention(image, text);
  attention->eval();
  EXPECT_TRUE(is_same("output", attention(image, text), output));
}

TEST(CrossAttention, WorksInAnyModuleAndSequential) {
  auto attention = make_attention();
  const auto image = torch::randn({2, 3, 16}), text = torch::randn({2, 5, 16});
  const auto output = attention(image, text);
  torch::nn::AnyModule any(attention);
  EXPECT_TRUE(is_same("AnyModule", any.forward(image, text), output));
  torch::nn::Sequential sequential(attention);
  EXPECT_TRUE(is_same("Sequential", sequential->forward(image, text), output));
}

TEST(CrossAttention, FromEightThreadsAtOnceGivesTheSameBits) {
  auto attention = CrossAttention(64);
  torch::NoGradGuard no_grad;
  const auto image = torch::randn({2, 100, 64}), text = torch::randn({2, 7, 64});
  const auto expected = attention(image, text);
  std::vector<torch::Tensor> outputs(8);
  std::vector<std::thread> threads;
  for (auto& output : outputs) {
    threads.emplace_back([&] {
      torch::NoGradGuard no_grad_here;
      for (int i = 0; i < 20; ++i) output = attention->forward(image, text);
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& output : outputs) EXPECT_TRUE(is_same("output", output, expected));
}

// --- preparing, masks, weights ---

TEST(CrossAttention, PreparedTextGivesTheSameBitsAsTheText) {
  auto attention = make_attention();
  const auto text = torch::randn({2, 5, 16});
  const auto prepared = attention->prepare(text);
  for (int64_t tokens : {1, 3, 64}) {
    const auto image = torch::randn({2, tokens, 16});
    EXPECT_TRUE(
        is_same("output", attention->forward_prepared(image, prepared), attention(image, text)));
  }
}

TEST(CrossAttention, AMaskedTokenCountsAsNotThere) {
  auto attention = make_attention();
  const auto image = torch::randn({2, 3, 16}), text = torch::randn({2, 5, 16});
  auto mask = torch::ones({2, 5}, torch::kBool);
  mask.narrow(1, 3, 2).fill_(false);
  const auto masked = attention->forward_prepared(image, attention->prepare(text, mask));
  EXPECT_TRUE(is_near("output", masked, attention(image, text.narrow(1, 0, 3)), 1e-6));
}

TEST(CrossAttention, WithNoTextTokenLeftGivesTheBias) {
  auto attention = make_attention();
  const auto image = torch::randn({2, 3, 16}), text = torch::randn({2, 5, 16});
  const auto bias = attention->out_proj->bias.expand({2, 3, 16});
  const auto nothing = torch::zeros({2, 5}, torch::kBool);
  EXPECT_TRUE(is_same("all masked",
                      attention->forward_prepared(image, attention->prepare(text, nothing)), bias));
  EXPECT_TRUE(is_same("no tokens", attention(image, text.narrow(1, 0, 0)), bias));
}

TEST(CrossAttention, AttentionWeightsDoNotChangeTheOutput) {
  auto attention = make_attention();
  const auto image = torch::randn({2, 3, 16});
  const auto text = attention->prepare(torch::randn({2, 5, 16}));
  const auto before = attention->forward_prepared(image, text);
  const auto weights = attention->attention_weights(image, text);
  EXPECT_EQ(weights.sizes(), (std::vector<int64_t>{2, 4, 3, 5}));
  EXPECT_TRUE(is_near("sums", weights.sum(-1), torch::ones({2, 4, 3}), 1e-6));
  EXPECT_TRUE(is_same("output", attention->forward_prepared(image, text), before));
}

// --- inputs ---

TEST(CrossAttention, RefusesInputsThatDoNotFit) {
  auto attention = CrossAttention(256);
  const auto image = torch::randn({4, 9, 256}), text = torch::randn({4, 10, 256});
  const auto call = [&](torch::Tensor i, torch::Tensor t) {
    return [=]() mutable { attention(i, t); };
  };
  expect_value_error(call(image, torch::randn({4, 10, 128})),
                     "[CrossAttention] text_features: expected [B, T, 256], got [4, 10, 128]");
  expect_value_error(call(image, torch::randn({10, 256})),
                     "[CrossAttention] text_features: expected [B, T, 256], got [10, 256]");
  expect_value_error(call(torch::randn({4, 9, 9, 256}), text),
                     "[CrossAttention] image_features: expected [4, N, 256], got [4, 9, 9, 256]");
  expect_value_error(call(torch::randn({3, 9, 256}), text),
                     "[CrossAttention] image_features: expected [4, N, 256], got [3, 9, 256]");
  expect_value_error(
      call(image, text.to(torch::kDouble)),
      "[CrossAttention] text_features: expected float32 as the weights, got float64");
  expect_value_error(call(image.to(torch::kLong), text),
                     "[CrossAttention] image_features: expected float32 as the weights, got int64");
  expect_value_error(
      call(image.to(torch::kMeta), text),
      "[CrossAttention] image_features: expected a tensor on cpu as the weights, got meta");
  expect_value_error(
      call({}, text),
      "[CrossAttention] image_features: expected [4, N, 256], got an undefined tensor");
  const auto prepare = [&](torch::Tensor mask) {
    return [=]() mutable { attention->prepare(text, mask); };
  };
  expect_value_error(prepare(torch::ones({4, 9}, torch::kBool)),
                     "[CrossAttention] text_mask: expected [4, 10], got [4, 9]");
  expect_value_error(prepare(torch::ones({4, 10}, torch::kLong)),
                     "[CrossAttention] text_mask: expected float32 as the weights, got int64");
  expect_value_error(
      [&] { attention->forward_prepared(image, {}); },
      "[CrossAttention] text (prepared): expected [B, 8, T, 32], got an undefined tensor");
}

TEST(CrossAttention, TakesEmptyInputs) {
  auto attention = make_attention();
  EXPECT_EQ(attention(torch::randn({2, 0, 16}), torch::randn({2, 5, 16})).sizes(),
            (std::vector<int64_t>{2, 0, 16}));
  EXPECT_EQ(attention(torch::randn({0, 3, 16}), torch::randn({0, 5, 16})).sizes(),
            (std::vector<int64_t>{0, 3, 16}));
}

TEST(CrossAttention, TakesInputsThatAreNotContiguous) {
  auto attention = make_attention();
  const auto image = torch::randn({2, 16, 3}).transpose(1, 2);
  const auto text = torch::randn({2, 5, 32}).slice(2, 0, 32, 2);
  EXPECT_TRUE(is_near("output", attention(image, text),
                      attention(image.contiguous(), text.contiguous()), 1e-6));
}

class CrossAttentionDtype : public ::testing::TestWithParam<torch::Dtype> {};

TEST_P(CrossAttentionDtype, KeepsItsDtypeAndComesNearToDouble) {
  torch::manual_seed(1);
  auto attention = make_attention();
  const auto image = torch::randn({2, 30, 16}), text = torch::randn({2, 5, 16});
  attention->to(torch::kDouble);
  const auto exact = attention(image.to(torch::kDouble), text.to(torch::kDouble));
  attention->to(GetParam());
  const auto output = attention(image.to(GetParam()), text.to(GetParam()));
  EXPECT_EQ(output.scalar_type(), GetParam());
  EXPECT_LE(difference(output, exact).relative(), 2 * parity_tolerance(GetParam()).output);
}

INSTANTIATE_TEST_SUITE_P(Cpu, CrossAttentionDtype,
                         ::testing::Values(torch::kFloat, torch::kDouble, torch::kHalf,
                                           torch::kBFloat16),
                         [](const auto& info) { return std::string(toString(info.param)); });

// --- gradients and devices ---

TEST(CrossAttention, GradientsAreFiniteDifferences) {
  torch::manual_seed(2);
  auto attention = make_attention();
  attention->to(torch::kDouble);
  auto image = torch::randn({2, 3, 16}, torch::kDouble),
       text = torch::randn({2, 5, 16}, torch::kDouble);
  auto mask = torch::randn({2, 5}, torch::kDouble);
  auto variables = state_dict(*attention).values();
  variables.insert(variables.end(), {image, text, mask});
  testing::expect_finite_differences(
      [&] { return attention->forward_prepared(image, attention->prepare(text, mask)); },
      variables);
}

TEST(CrossAttention, RunsOnCuda) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "no CUDA device";
  auto attention = make_attention();
  const auto image = torch::randn({2, 30, 16}), text = torch::randn({2, 5, 16});
  const auto expected = attention(image, text);
  attention->to(torch::kCUDA);
  EXPECT_TRUE(is_near("output", attention(image.cuda(), text.cuda()).cpu(), expected, 1e-4));
}

}  // namespace
}  // namespace xattn
