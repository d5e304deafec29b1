// Linear and Conv2d against LibTorch's own.

#include "xattn/nn/linear.h"

#include <gtest/gtest.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/utils.h>

#include <sstream>

#include "support/parity.h"
#include "xattn/nn/conv2d.h"
#include "xattn/nn/initialization.h"

namespace xattn {
namespace {

using testing::is_near;
using testing::is_same;

template <typename Ours, typename Theirs>
void expect_alike(Ours& ours, Theirs& theirs, at::Tensor input) {
  EXPECT_TRUE(is_same("weight", ours->weight, theirs->weight));
  ASSERT_EQ(ours->bias.defined(), theirs->bias.defined());
  if (ours->bias.defined()) {
    EXPECT_TRUE(is_same("bias", ours->bias, theirs->bias));
  }

  auto other = input.clone();
  input.requires_grad_(true);
  other.requires_grad_(true);
  const auto output = ours(input), expected = theirs(other);
  EXPECT_TRUE(is_near("output", output, expected, 1e-6));
  output.square().sum().backward();
  expected.square().sum().backward();
  EXPECT_TRUE(is_near("input", input.grad(), other.grad(), 1e-5));
  EXPECT_TRUE(is_near("weight", ours->weight.grad(), theirs->weight.grad(), 1e-5));

  torch::NoGradGuard no_grad;  // another way through the kernels
  EXPECT_TRUE(is_near("output", ours(input), expected, 1e-6));
}

TEST(Linear, IsLibTorchs) {
  for (const bool bias : {true, false}) {
    torch::manual_seed(3);
    Linear ours(torch::nn::LinearOptions(24, 40).bias(bias));
    torch::manual_seed(3);
    torch::nn::Linear theirs(torch::nn::LinearOptions(24, 40).bias(bias));
    expect_alike(ours, theirs, torch::randn({2, 7, 24}));
    torch::NoGradGuard no_grad;
    for (const auto& sizes : {std::vector<int64_t>{24}, {1, 24}, {0, 24}, {3, 1, 24}}) {
      const auto input = torch::randn(sizes);
      EXPECT_TRUE(is_near("output", ours(input), theirs(input), 1e-6));
    }
    EXPECT_THROW(ours(torch::randn({2, 23})), c10::Error);
  }
}

TEST(Linear, OfAnotherDtypeIsLibTorchs) {
  torch::NoGradGuard no_grad;
  Linear module(8, 8);
  module->to(torch::kDouble);
  const auto input = torch::randn({3, 8}, torch::kDouble);
  EXPECT_TRUE(is_same("output", module(input), torch::linear(input, module->weight, module->bias)));
}

TEST(Conv2d, IsLibTorchs) {
  torch::manual_seed(4);
  Conv2d ours(Conv2dOptions(3, 8, 3).stride(2).padding(1));
  torch::manual_seed(4);
  torch::nn::Conv2d theirs(torch::nn::Conv2dOptions(3, 8, 3).stride(2).padding(1));
  expect_alike(ours, theirs, torch::randn({2, 3, 9, 8}));
}

TEST(SkipInitialization, DrawsNothingWhileItLives) {
  torch::manual_seed(5);
  const auto expected = torch::randn({4});
  torch::manual_seed(5);
  {
    const SkipInitialization outer;
    {
      const SkipInitialization inner;
      Linear(3, 4);
    }
    Conv2d module(Conv2dOptions(3, 4, 1));
    EXPECT_EQ(module->weight.sizes(), (std::vector<int64_t>{4, 3, 1, 1}));
  }
  EXPECT_TRUE(is_same("numbers", torch::randn({4}), expected));
  Linear(3, 4);
  EXPECT_FALSE(torch::randn({4}).equal(expected));
}

TEST(Linear, PrintsItself) {
  std::ostringstream stream;
  stream << Linear(3, 4) << " " << Conv2d(Conv2dOptions(3, 4, 1));
  EXPECT_EQ(stream.str(),
            "xattn::Linear(in_features=3, out_features=4, bias=true) "
            "xattn::Conv2d(3, 4, kernel_size=1, stride=1, padding=0)");
}

}  // namespace
}  // namespace xattn
