// A plan is told which algorithms are taken, says which are to be, and is made by measuring.

#include "xattn/ops/plan.h"

#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <cmath>
#include <functional>
#include <string>
#include <thread>

#include "ops/cpu/choice.h"
#include "ops/self_attention.h"
#include "support/errors.h"
#include "support/parity.h"
#include "xattn/core/error.h"
#include "xattn/ops/conv2d.h"
#include "xattn/ops/geglu.h"
#include "xattn/ops/group_norm.h"
#include "xattn/ops/linear.h"

namespace xattn {
namespace {

using testing::is_near;
using testing::is_same;

constexpr double kAlgorithmTolerance = 5e-6;

struct PlannedLayer {
  std::string name;
  std::function<at::Tensor()> compute;
};

/// One of each kind, by the name that a plan gives it. Sums are long, so that algorithms differ in
/// how they round.
std::vector<PlannedLayer> layers() {
  const auto pixels = [](at::IntArrayRef sizes) {
    return torch::randn(sizes).contiguous(at::MemoryFormat::ChannelsLast);
  };
  const auto x = pixels({1, 32, 12, 12}), many = pixels({1, 800, 3, 6}),
             rows = torch::randn({2, 9, 800}), heads = torch::randn({1, 2, 24, 16}),
             residual = pixels({1, 48, 12, 12});
  const auto wide = torch::randn({48, 32, 3, 3}) / 17, narrow = torch::randn({48, 800, 1, 1}) / 28,
             weight = torch::randn({48, 800}) / 28, ones = torch::ones({32}),
             bias = torch::randn({48});
  const Conv2dFusion fusion{.norm = GroupNormArguments{8, ones, ones, 1e-5, NormActivation::kSilu},
                            .residual = residual};
  return {
      {"conv2d 3x3 1x32x12x12->48", [=] { return conv2d(x, wide, bias, 1, 1); }},
      {"conv2d 3x3 1x32x12x12->48 /2", [=] { return conv2d(x, wide, bias, 2, 1); }},
      {"conv2d 3x3 1x32x12x12->48, group_norm",
       [=] { return conv2d(x, wide, bias, 1, 1, fusion); }},
      {"conv2d 3x3 1x32x12x12->48, float16",
       [=] { return conv2d(x, wide.to(at::kHalf), bias, 1, 1); }},
      {"conv2d 3x3 1x32x12x12->48, precise",
       [=] {
         const UsePrecision precise(Precision::kPrecise);
         return conv2d(x, wide, bias, 1, 1);
       }},
      {"conv2d 1x1 1x800x3x6->48", [=] { return conv2d(many, narrow, bias, 1, 0); }},
      {"linear 18x800->48", [=] { return xattn::linear(rows, weight, bias); }},
      {"geglu 18x800->48", [=] { return geglu(rows, weight, bias); }},
      {"group_norm 1x32x12x12", [=] { return group_norm(x, 8, ones, ones, 1e-5); }},
      {"group_norm+silu 1x32x12x12, by channels",
       [=] { return group_norm(x.contiguous(), 8, ones, ones, 1e-5, NormActivation::kSilu); }},
      {"attention 1x2x24x16 of 24",
       [=] { return scaled_dot_product_attention(heads, heads, heads, 4); }},
  };
}

class PlanTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!cpu::use_kernels()) GTEST_SKIP() << "no kernels but LibTorch's";
    torch::manual_seed(5);
  }
  torch::NoGradGuard no_grad_;
};

TEST_F(PlanTest, IsToldWhatIsTakenAndChangesNothing) {
  for (const auto& [name, compute] : layers()) {
    SCOPED_TRACE(name);
    const auto expected = compute();
    Plan plan;
    const UsePlan use(plan);
    EXPECT_TRUE(is_same("first", compute(), expected));
    EXPECT_TRUE(is_same("second", compute(), expected));
    ASSERT_TRUE(plan.layers.count(name)) << plan.layers.begin()->first;
    EXPECT_EQ(plan.layers.at(name).uses, 2);
    EXPECT_TRUE(plan.layers.at(name).seconds.empty());
  }
}

TEST_F(PlanTest, MeasuresEachAlgorithmOnceAndTakesTheFastest) {
  for (const auto& [name, compute] : layers()) {
    SCOPED_TRACE(name);
    const auto expected = compute();
    Plan plan;
    const UsePlan use(plan, Planning::kMeasure);
    EXPECT_TRUE(is_near("measured", compute(), expected, kAlgorithmTolerance));
    const auto choice = plan.layers.at(name);
    EXPECT_EQ(choice.uses, 1);
    EXPECT_GE(choice.seconds.size(), 2U);
    EXPECT_TRUE(choice.seconds.count("libtorch"));
    for (const auto& [algorithm, seconds] : choice.seconds) {
      EXPECT_GE(seconds, choice.seconds.at(choice.algorithm)) << algorithm;
    }
    compute();
    EXPECT_EQ(plan.layers.at(name).seconds, choice.seconds);
    EXPECT_EQ(plan.layers.at(name).uses, 2);
  }
}

// Whatever it says is taken: each algorithm rounds in its own way, and LibTorch's as LibTorch.
TEST_F(PlanTest, SaysWhichAlgorithmIsTaken) {
  for (const auto& [name, compute] : layers()) {
    SCOPED_TRACE(name);
    const auto expected = compute();
    Plan measured;
    {
      const UsePlan use(measured, Planning::kMeasure);
      compute();
    }
    bool differ = false;
    for (const auto& [algorithm, seconds] : measured.layers.at(name).seconds) {
      Plan plan;
      plan.layers[name] = {algorithm};
      const UsePlan use(plan);
      const auto output = compute();
      EXPECT_TRUE(is_near(algorithm, output, expected, kAlgorithmTolerance));
      differ |= !output.equal(expected);
      EXPECT_EQ(plan.layers.at(name).algorithm, algorithm);
      EXPECT_EQ(plan.layers.at(name).uses, 1);
    }
    // Over pixels that is LibTorch's linear layer on some processors, whose bits are the same.
    EXPECT_TRUE(differ || name.starts_with("conv2d 1x1"));
  }
}

TEST_F(PlanTest, RefusesAnAlgorithmThatThereIsNot) {
  const auto x = torch::randn({4, 32}), weight = torch::randn({16, 32});
  Plan plan;
  plan.layers["linear 4x32->16"] = {"cublas"};
  const UsePlan use(plan);
  const auto message = testing::error_of<ValueError>([&] { xattn::linear(x, weight, {}); });
  EXPECT_TRUE(message == "[UsePlan] linear 4x32->16: expected xattn or libtorch, got 'cublas'" ||
              message == "[UsePlan] linear 4x32->16: expected libtorch or xattn, got 'cublas'")
      << message;
}

TEST_F(PlanTest, IsOfItsThreadAndScope) {
  const auto x = torch::randn({4, 32}), weight = torch::randn({16, 32});
  Plan outer, inner;
  const UsePlan use_outer(outer);
  {
    const UsePlan use_inner(inner);
    xattn::linear(x, weight, {});
    std::thread([&] { xattn::linear(x, weight, {}); }).join();
  }
  EXPECT_EQ(inner.layers.at("linear 4x32->16").uses, 1);
  EXPECT_TRUE(outer.layers.empty());
  xattn::linear(x, weight, {});
  EXPECT_EQ(outer.layers.at("linear 4x32->16").uses, 1);
  EXPECT_EQ(inner.layers.at("linear 4x32->16").uses, 1);
}

// There LibTorch's is the only algorithm.
TEST_F(PlanTest, HasNoLayersOfGradientsAndOtherTypes) {
  const auto x = torch::randn({4, 32}), weight = torch::randn({16, 32});
  Plan plan;
  const UsePlan use(plan, Planning::kMeasure);
  {
    const torch::AutoGradMode grad(true);
    EXPECT_TRUE(xattn::linear(x, weight.clone().requires_grad_(), {}).requires_grad());
    const auto pixels = torch::randn({1, 16, 8, 8}), kernel = torch::randn({16, 16, 3, 3});
    Conv2dFusion fusion;
    fusion.norm =
        GroupNormArguments{8, torch::ones({16}).requires_grad_(), torch::zeros({16}), 1e-5};
    EXPECT_TRUE(conv2d(pixels, kernel, {}, 1, 1, fusion).requires_grad());
  }
  xattn::linear(x.to(at::kDouble), weight.to(at::kDouble), {});
  EXPECT_TRUE(plan.layers.empty());
}

TEST(PlanWithoutKernels, IsEmpty) {
  if (cpu::use_kernels()) GTEST_SKIP() << "there is a choice";
  const torch::NoGradGuard no_grad;
  Plan plan;
  const UsePlan use(plan, Planning::kMeasure);
  for (const auto& [name, compute] : layers()) compute();
  EXPECT_TRUE(plan.layers.empty());
}

}  // namespace
}  // namespace xattn
