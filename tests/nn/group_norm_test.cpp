// GroupNorm and what follows it against LibTorch's own.

#include "xattn/nn/group_norm.h"

#include <ATen/ops/silu.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/normalization.h>
#include <torch/utils.h>

#include <memory>
#include <sstream>

#include "support/parity.h"

namespace xattn {
namespace {

using testing::is_near;
using testing::is_same;

TEST(GroupNorm, IsLibTorchsAndItsActivation) {
  torch::manual_seed(41);
  const auto options = torch::nn::GroupNormOptions(4, 24).eps(1e-6);
  GroupNorm ours(options);
  torch::nn::GroupNorm theirs(options);
  EXPECT_TRUE(is_same("weight", ours->weight, theirs->weight));
  EXPECT_TRUE(is_same("bias", ours->bias, theirs->bias));
  torch::NoGradGuard no_grad;
  ours->weight.normal_();
  ours->bias.normal_();
  theirs->weight.copy_(ours->weight);
  theirs->bias.copy_(ours->bias);
  const auto input = torch::randn({2, 24, 9, 7});
  for (const auto& x : {input, input.contiguous(at::MemoryFormat::ChannelsLast)}) {
    const auto expected = theirs(x);
    EXPECT_TRUE(is_near("output", ours(x), expected, 2e-6));
    for (const auto* name : {"silu", "Swish", "mish", "gelu", "relu"}) {
      const auto activation = get_activation(name);
      EXPECT_TRUE(is_near(name, ours(x, activation), activation(expected), 2e-6));
    }
  }
  EXPECT_FALSE(is_near("without SiLU", ours(input), at::silu(theirs(input)), 2e-6));
}

TEST(GroupNorm, RecordsGradientsAsLibTorchs) {
  torch::manual_seed(42);
  GroupNorm ours(4, 24);
  torch::nn::GroupNorm theirs(4, 24);
  const auto input = torch::randn({2, 24, 9, 7}), x = input.clone().requires_grad_(true),
             y = input.clone().requires_grad_(true);
  const auto output = ours(x, get_activation("silu")), expected = at::silu(theirs(y));
  EXPECT_TRUE(is_same("output", output.detach(), expected.detach()));
  output.square().sum().backward();
  expected.square().sum().backward();
  EXPECT_TRUE(is_same("input", x.grad(), y.grad()));
  EXPECT_TRUE(is_same("weight", ours->weight.grad(), theirs->weight.grad()));
}

TEST(GroupNorm, HasTheParametersOfLibTorchs) {
  for (const bool affine : {true, false}) {
    const auto options = torch::nn::GroupNormOptions(2, 8).affine(affine);
    GroupNorm ours(options);
    torch::nn::GroupNorm theirs(options);
    const auto names = ours->named_parameters().keys();
    EXPECT_EQ(names, theirs->named_parameters().keys());
    torch::NoGradGuard no_grad;
    const auto x = torch::randn({3, 8, 5, 5});
    EXPECT_TRUE(is_near("output", ours(x), theirs(x), 2e-6));
    EXPECT_TRUE(is_near("vectors", ours(x.flatten(2)), theirs(x.flatten(2)), 2e-6));
    const auto clone = std::dynamic_pointer_cast<GroupNormImpl>(ours->clone());
    EXPECT_TRUE(is_same("clone", clone->forward(x), ours(x)));
  }
  std::ostringstream text;
  text << GroupNorm(2, 8);
  EXPECT_EQ(text.str(), "xattn::GroupNorm(2, 8, eps=1e-05, affine=true)");
}

}  // namespace
}  // namespace xattn
