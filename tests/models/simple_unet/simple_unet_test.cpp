#include "xattn/models/simple_unet/simple_unet.h"

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

using Shape = std::vector<int64_t>;

TEST(SimpleUNet, GivesTheExamplesShape) {
  SimpleUNet unet(256);
  torch::NoGradGuard no_grad;
  EXPECT_EQ(unet(torch::randn({4, 3, 64, 64}), torch::randn({4, 10, 256})).sizes(),
            (Shape{4, 3, 64, 64}));
}

TEST(SimpleUNet, RoundsOddSizesDown) {
  SimpleUNet unet(8);
  const auto text = torch::randn({1, 3, 8});
  EXPECT_EQ(unet(torch::randn({1, 3, 7, 10}), text).sizes(), (Shape{1, 3, 6, 10}));
  EXPECT_EQ(unet(torch::randn({1, 3, 3, 3}), text).sizes(), (Shape{1, 3, 2, 2}));
}

TEST(SimpleUNet, TheLayoutsAgreeBitForBitOnALatentOfOnePixel) {
  SimpleUNet unet(16);
  const auto images = torch::randn({4, 3, 2, 2}), text = torch::randn({4, 10, 16});
  const auto spatial = unet(images, text);
  unet->options.token_layout(TokenLayout::kReinterpret);
  EXPECT_TRUE(is_same("output", unet(images, text), spatial));
}

TEST(SimpleUNet, PreparedTextGivesTheSameBitsAsTheText) {
  SimpleUNet unet(16);
  const auto text = torch::randn({2, 5, 16});
  const auto prepared = unet->prepare(text);
  for (int64_t size : {2, 9, 16}) {
    const auto images = torch::randn({2, 3, size, size});
    EXPECT_TRUE(is_same("output", unet->forward_prepared(images, prepared), unet(images, text)));
  }
}

TEST(SimpleUNet, AMaskedTokenCountsAsNotThere) {
  SimpleUNet unet(16);
  const auto images = torch::randn({2, 3, 8, 8}), text = torch::randn({2, 5, 16});
  auto mask = torch::ones({2, 5}, torch::kBool);
  mask.narrow(1, 3, 2).fill_(false);
  EXPECT_TRUE(is_near("output", unet->forward_prepared(images, unet->prepare(text, mask)),
                      unet(images, text.narrow(1, 0, 3)), 1e-6));
}

TEST(SimpleUNet, RefusesOptionsThatCannotBe) {
  expect_value_error([] { SimpleUNet(0); }, "[SimpleUNet] embed_dim: expected 1 or more, got 0");
  expect_value_error([] { SimpleUNet(12); },
                     "[CrossAttention] embed_dim: expected a multiple of num_heads = 8, got 12");
}

TEST(SimpleUNet, RefusesInputsThatDoNotFit) {
  SimpleUNet unet(16);
  const auto images = torch::randn({2, 3, 8, 8}), text = torch::randn({2, 5, 16});
  const auto call = [&](torch::Tensor i, torch::Tensor t) { return [=]() mutable { unet(i, t); }; };
  expect_value_error(call(torch::randn({2, 4, 8, 8}), text),
                     "[SimpleUNet] images: expected [B, 3, H, W], got [2, 4, 8, 8]");
  expect_value_error(call(torch::randn({3, 8, 8}), text),
                     "[SimpleUNet] images: expected [B, 3, H, W], got [3, 8, 8]");
  expect_value_error(
      call(torch::randn({2, 3, 1, 8}), text),
      "[SimpleUNet] images: expected [B, 3, H, W] with H and W of 2 or more, got [2, 3, 1, 8]");
  expect_value_error(call(images, torch::randn({2, 5, 8})),
                     "[SimpleUNet] text_features: expected [B, T, 16], got [2, 5, 8]");
  expect_value_error(call(images, torch::randn({3, 5, 16})),
                     "[SimpleUNet] images: expected the text's batch of 3, got [2, 3, 8, 8]");
  expect_value_error(call(images.to(torch::kDouble), text),
                     "[SimpleUNet] images: expected float32 as the weights, got float64");
  expect_value_error(call(images, text.to(torch::kHalf)),
                     "[SimpleUNet] text_features: expected float32 as the weights, got float16");
}

TEST(SimpleUNet, TakesEmptyInputs) {
  SimpleUNet unet(8);
  EXPECT_EQ(unet(torch::randn({0, 3, 4, 4}), torch::randn({0, 5, 8})).sizes(), (Shape{0, 3, 4, 4}));
  EXPECT_EQ(unet(torch::randn({1, 3, 4, 4}), torch::randn({1, 0, 8})).sizes(), (Shape{1, 3, 4, 4}));
}

TEST(SimpleUNet, TakesInputsThatAreNotContiguous) {
  for (const auto layout : {TokenLayout::kSpatial, TokenLayout::kReinterpret}) {
    SimpleUNet unet(SimpleUNetOptions(8).token_layout(layout));
    const auto images = torch::randn({2, 3, 6, 10}), text = torch::randn({2, 8, 5}).transpose(1, 2);
    const auto expected = unet(images, text.contiguous());
    EXPECT_TRUE(is_near("channels last",
                        unet(images.contiguous(at::MemoryFormat::ChannelsLast), text), expected,
                        1e-6));
    EXPECT_TRUE(is_near("transposed",
                        unet(images.transpose(2, 3).contiguous().transpose(2, 3), text), expected,
                        1e-6));
  }
}

TEST(SimpleUNet, WorksInAnyModuleAndSequential) {
  SimpleUNet unet(8);
  const auto images = torch::randn({1, 3, 4, 4}), text = torch::randn({1, 5, 8});
  const auto output = unet(images, text);
  torch::nn::AnyModule any(unet);
  EXPECT_TRUE(is_same("AnyModule", any.forward(images, text), output));
  torch::nn::Sequential sequential(unet);
  EXPECT_TRUE(is_same("Sequential", sequential->forward(images, text), output));
}

TEST(SimpleUNet, ClonesDeeplyAndPrintsItsOptions) {
  SimpleUNet unet(SimpleUNetOptions(8).token_layout(TokenLayout::kReinterpret));
  auto clone = std::dynamic_pointer_cast<SimpleUNetImpl>(unet->clone());
  const auto images = torch::randn({1, 3, 4, 4}), text = torch::randn({1, 5, 8});
  torch::NoGradGuard no_grad;
  const auto output = unet(images, text);
  EXPECT_TRUE(is_same("clone's output", clone->forward(images, text), output));
  clone->cross_attention->out_proj->bias.add_(1);
  EXPECT_TRUE(is_same("output", unet(images, text), output));
  std::ostringstream stream;
  clone->pretty_print(stream);
  EXPECT_EQ(stream.str(), "xattn::SimpleUNet(embed_dim=8, num_heads=8, token_layout=reinterpret)");
}

TEST(SimpleUNet, FromEightThreadsAtOnceGivesTheSameBits) {
  SimpleUNet unet(32);
  torch::NoGradGuard no_grad;
  const auto images = torch::randn({2, 3, 16, 16}), text = torch::randn({2, 5, 32});
  const auto expected = unet(images, text);
  std::vector<torch::Tensor> outputs(8);
  std::vector<std::thread> threads;
  for (auto& output : outputs) {
    threads.emplace_back([&] {
      torch::NoGradGuard no_grad_here;
      for (int i = 0; i < 20; ++i) output = unet->forward(images, text);
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& output : outputs) EXPECT_TRUE(is_same("output", output, expected));
}

TEST(SimpleUNet, GradientsAreFiniteDifferences) {
  for (const auto layout : {TokenLayout::kSpatial, TokenLayout::kReinterpret}) {
    torch::manual_seed(3);
    SimpleUNet unet(SimpleUNetOptions(8).token_layout(layout));
    unet->to(torch::kDouble);
    const auto images = torch::randn({2, 3, 5, 4}, torch::kDouble);
    const auto text = torch::randn({2, 5, 8}, torch::kDouble);
    auto variables = state_dict(*unet).values();
    variables.insert(variables.end(), {images, text});
    testing::expect_finite_differences([&] { return unet(images, text); }, variables);
  }
}

TEST(SimpleUNet, LearnsAStepOfGradientDescent) {
  torch::manual_seed(4);
  SimpleUNet unet(8);
  const auto images = torch::randn({2, 3, 8, 8}), text = torch::randn({2, 5, 8}),
             target = torch::randn({2, 3, 8, 8});
  const auto loss = [&] { return (unet(images, text) - target).pow(2).mean(); };
  const auto before = loss();
  before.backward();
  {
    torch::NoGradGuard no_grad;
    for (auto& parameter : unet->parameters()) parameter.sub_(parameter.grad(), 0.1);
  }
  EXPECT_LT(loss().item<double>(), before.item<double>());
}

TEST(SimpleUNet, RunsOnCuda) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "no CUDA device";
  SimpleUNet unet(16);
  const auto images = torch::randn({2, 3, 8, 8}), text = torch::randn({2, 5, 16});
  const auto expected = unet(images, text);
  unet->to(torch::kCUDA);
  EXPECT_TRUE(is_near("output", unet(images.cuda(), text.cuda()).cpu(), expected, 1e-3));
}

}  // namespace
}  // namespace xattn
