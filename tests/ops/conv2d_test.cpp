// `conv2d` takes Winograd's way or LibTorch's, and says the same whichever it takes.

#include "xattn/ops/conv2d.h"

#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <cmath>

#include "ops/cpu/choice.h"
#include "ops/cpu/winograd.h"
#include "support/parity.h"
#include "xattn/ops/precision.h"

namespace xattn {
namespace {

using testing::is_near;
using testing::is_same;

constexpr double kTolerance = 5e-6, kPreciseTolerance = 1e-6;

at::Tensor in_doubles(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return at::conv2d(x.to(at::kDouble), weight.to(at::kDouble),
                    bias.defined() ? std::optional(bias.to(at::kDouble)) : std::nullopt, 1, 1)
      .to(at::kFloat);
}

at::Tensor weight_of(int64_t out_channels, int64_t in_channels) {
  return torch::randn({out_channels, in_channels, 3, 3}) / (3 * std::sqrt(in_channels));
}

class WinogradConv2d : public ::testing::TestWithParam<cpu::WinogradWay> {
 protected:
  const double tolerance_ = GetParam().tile == 4 ? kTolerance : kPreciseTolerance;

  static at::Tensor winograd(const at::Tensor& x, const at::Tensor& weight,
                             const at::Tensor& bias) {
    return cpu::winograd_conv2d(x, weight, bias, GetParam());
  }

  void SetUp() override {
    if (!cpu::use_kernels()) GTEST_SKIP() << "no kernels but LibTorch's";
    torch::manual_seed(7);
  }
  torch::NoGradGuard no_grad_;
};

TEST_P(WinogradConv2d, OfAnySizeIsLibTorchs) {
  for (const auto& [in_channels, out_channels] :
       {std::pair{16, 16}, {16, 48}, {48, 16}, {64, 112}, {400, 32}, {320, 320}}) {
    const auto weight = weight_of(out_channels, in_channels), bias = torch::randn({out_channels});
    for (const auto& [batch, height, width] : {std::tuple{1, 1, 1},
                                               {1, 2, 3},
                                               {2, 4, 4},
                                               {3, 5, 9},
                                               {1, 7, 6},
                                               {2, 16, 13},
                                               {1, 33, 40}}) {
      const auto x = torch::randn({batch, in_channels, height, width}),
                 expected = in_doubles(x, weight, bias);
      EXPECT_TRUE(is_near("x", winograd(x, weight, bias), expected, tolerance_));
      const auto pixels = x.contiguous(at::MemoryFormat::ChannelsLast);
      EXPECT_TRUE(is_near("pixels", winograd(pixels, weight, bias), expected, tolerance_));
      const auto part = torch::cat({x, x}, 3).slice(3, width);
      EXPECT_TRUE(is_near("part", winograd(part, weight, bias), expected, tolerance_));
    }
  }
}

TEST_P(WinogradConv2d, WithoutBiasAndOfNothing) {
  const auto x = torch::randn({2, 32, 12, 12}), weight = weight_of(32, 32);
  EXPECT_TRUE(is_near("output", winograd(x, weight, {}), in_doubles(x, weight, {}), tolerance_));
  EXPECT_EQ(winograd(x.slice(0, 0, 0), weight, {}).sizes(), (at::IntArrayRef{0, 32, 12, 12}));
}

TEST_P(WinogradConv2d, TakesWeightsAsTheyLie) {
  const auto x = torch::randn({1, 32, 40, 40}), weight = weight_of(64, 32),
             bias = torch::randn({64});
  const auto expected = winograd(x, weight, bias);
  EXPECT_TRUE(is_same("channels last",
                      winograd(x, weight.contiguous(at::MemoryFormat::ChannelsLast), bias),
                      expected));
  EXPECT_TRUE(
      is_same("every other",
              winograd(x, torch::stack({weight, weight}, 1).flatten(0, 1).slice(0, 0, 128, 2),
                       torch::stack({bias, bias}, 1).flatten().slice(0, 0, 128, 2)),
              expected));
}

TEST_P(WinogradConv2d, IsNearOnAnyNumberOfCores) {
  const auto threads = at::get_num_threads();
  const auto x = torch::randn({1, 48, 61, 45}), weight = weight_of(48, 48);
  const auto expected = winograd(x, weight, {});
  for (const int some : {1, 2, 3, 8}) {
    at::set_num_threads(some);
    EXPECT_TRUE(is_near("output", winograd(x, weight, {}), expected, 1e-6)) << some;
  }
  at::set_num_threads(threads);
}

// The twin that must fail.
TEST_P(WinogradConv2d, NoticesAChangedWeight) {
  const auto x = torch::randn({1, 16, 16, 16}), weight = weight_of(16, 16),
             expected = in_doubles(x, weight, {});
  weight[3][5][1][2] += 1e-3;
  EXPECT_FALSE(is_near("output", winograd(x, weight, {}), expected, tolerance_));
}

INSTANTIATE_TEST_SUITE_P(Conv2d, WinogradConv2d,
                         ::testing::Values(cpu::WinogradWay{4, false}, cpu::WinogradWay{4, true},
                                           cpu::WinogradWay{2, false}, cpu::WinogradWay{2, true}),
                         [](const auto& info) {
                           return std::to_string(info.param.tile) +
                                  (info.param.by_channels ? "_by_channels" : "_by_tiles");
                         });

TEST(WinogradWays, AreThoseThatThePrecisionAllowsAndThatAreNearTheBest) {
  for (const int64_t size : {1, 8, 16, 32, 64, 256}) {
    for (const auto precision : {Precision::kFast, Precision::kPrecise}) {
      const auto ways = cpu::winograd_ways(1, size, size, precision);
      ASSERT_FALSE(ways.empty());
      bool has_large_tiles = false;
      for (const auto& way : ways) has_large_tiles |= way.tile == 4;
      EXPECT_EQ(has_large_tiles, precision == Precision::kFast);
      if (size <= 32 || size >= 256) {
        EXPECT_EQ(ways[0].by_channels, size <= 32);
      }
    }
  }
  EXPECT_EQ(cpu::winograd_ways(2, 8, 8, Precision::kFast)[0].tile, 4);
}

TEST(Conv2dChoice, IsTheSameEachTime) {
  for (const int64_t pixels : {0, 64, 1024, 65536}) {
    for (const int64_t stride : {1, 2, 3}) {
      const auto faster = cpu::winograd_is_faster(pixels, stride);
      EXPECT_EQ(cpu::winograd_is_faster(pixels, stride), faster);
      EXPECT_LE(faster, cpu::use_kernels());
      EXPECT_LE(faster, cpu::processor() != cpu::Processor::kOther);
    }
    EXPECT_LE(cpu::linear_conv2d_is_faster(pixels), cpu::use_kernels());
  }
  EXPECT_FALSE(cpu::winograd_is_faster(0, 1));
  EXPECT_FALSE(cpu::winograd_is_faster(64, 3));
}

TEST(Conv2dOp, WithAStrideOfTwoIsLibTorchs) {
  torch::manual_seed(13);
  const torch::NoGradGuard no_grad;
  for (const auto& [batch, channels, height, width] :
       {std::tuple<int64_t, int64_t, int64_t, int64_t>{1, 32, 1, 1},
        {2, 16, 7, 10},
        {1, 320, 16, 16},
        {1, 16, 80, 80}}) {
    const auto x = torch::randn({batch, channels, height, width}), weight = weight_of(48, channels),
               bias = torch::randn({48});
    const auto expected =
        at::conv2d(x.to(at::kDouble), weight.to(at::kDouble), bias.to(at::kDouble), 2, 1)
            .to(at::kFloat);
    const auto output = conv2d(x, weight, bias, 2, 1);
    EXPECT_TRUE(is_near("output", output, expected, kTolerance));
    if (cpu::images_go_by_pixels()) {
      EXPECT_TRUE(output.is_contiguous(at::MemoryFormat::ChannelsLast));
    }
    weight[3][5][1][1] += 1e-2;
    EXPECT_FALSE(is_near("changed", conv2d(x, weight, bias, 2, 1), expected, kTolerance));
  }
}

TEST(Conv2dOp, IsLibTorchsWhicheverItTakes) {
  torch::manual_seed(8);
  const torch::NoGradGuard no_grad;
  const auto x = torch::randn({2, 32, 24, 24}), weight = weight_of(32, 32),
             bias = torch::randn({32});
  EXPECT_TRUE(
      is_near("output", conv2d(x, weight, bias, 1, 1), in_doubles(x, weight, bias), kTolerance));
  for (const auto& [stride, padding] : {std::pair{3, 1}, {1, 0}, {1, 2}, {2, 0}}) {
    EXPECT_TRUE(is_same("elsewhere", conv2d(x, weight, bias, stride, padding),
                        at::conv2d(x, weight, bias, stride, padding)));
  }
  EXPECT_TRUE(is_same("odd channels", conv2d(x.slice(1, 0, 20), weight.slice(1, 0, 20), bias, 1, 1),
                      at::conv2d(x.slice(1, 0, 20), weight.slice(1, 0, 20), bias, 1, 1)));
  EXPECT_TRUE(is_same("no channels", conv2d(x.slice(1, 0, 0), weight.slice(1, 0, 0), bias, 1, 1),
                      at::conv2d(x.slice(1, 0, 0), weight.slice(1, 0, 0), bias, 1, 1)));
  EXPECT_ANY_THROW(conv2d(x, weight.slice(1, 0, 16), bias, 1, 1));
  EXPECT_ANY_THROW(conv2d(x.to(at::kDouble), weight, bias, 1, 1));
  EXPECT_ANY_THROW(conv2d(x, weight, bias.slice(0, 0, 16), 1, 1));
}

TEST(Conv2dOp, OfOnePixelIsALinearLayerOverPixels) {
  torch::manual_seed(10);
  const torch::NoGradGuard no_grad;
  constexpr auto kPixels = at::MemoryFormat::ChannelsLast;
  for (const auto& [batch, in_channels, out_channels, height, width] :
       {std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t>{2, 32, 48, 9, 7},
        {1, 4, 4, 16, 16},
        {3, 37, 5, 1, 3},
        {1, 320, 64, 12, 12},
        {0, 8, 8, 4, 4},
        {1, 8, 8, 1, 1}}) {
    const auto x = torch::randn({batch, in_channels, height, width}),
               weight = torch::randn({out_channels, in_channels, 1, 1}) / std::sqrt(in_channels),
               bias = torch::randn({out_channels});
    const auto expected =
        at::conv2d(x.to(at::kDouble), weight.to(at::kDouble), bias.to(at::kDouble));
    const auto pixels = x.contiguous(kPixels);
    for (const auto& each : {weight, weight.contiguous(kPixels)}) {
      const auto output = conv2d(pixels, each, bias, 1, 0);
      EXPECT_TRUE(is_near("pixels", output, expected.to(at::kFloat), kTolerance));
      EXPECT_EQ(output.strides(), at::conv2d(pixels, each, bias).strides());
    }
    EXPECT_TRUE(is_near("without bias", conv2d(pixels, weight, {}, 1, 0),
                        (expected - bias.view({1, -1, 1, 1})).to(at::kFloat), kTolerance));
    EXPECT_TRUE(is_same("channels", conv2d(x, weight, bias, 1, 0), at::conv2d(x, weight, bias)));
    for (const auto& [stride, padding] : {std::pair{2, 0}, {1, 1}}) {
      EXPECT_TRUE(is_same("elsewhere", conv2d(pixels, weight, bias, stride, padding),
                          at::conv2d(pixels, weight, bias, stride, padding)));
    }
  }
  // The twin that must fail.
  const auto x = torch::randn({1, 32, 9, 7}).contiguous(kPixels),
             weight = torch::randn({16, 32, 1, 1}), expected = at::conv2d(x, weight);
  weight[3][5] += 1e-3;
  EXPECT_FALSE(is_near("changed", conv2d(x, weight, {}, 1, 0), expected, kTolerance));
}

TEST(Conv2dOp, GivesWayToGradientsAndAutocast) {
  torch::manual_seed(9);
  auto x = torch::randn({2, 32, 24, 24}), weight = weight_of(32, 32).requires_grad_(true);
  const auto plain = at::conv2d(x, weight, {}, 1, 1);
  const auto output = conv2d(x, weight, {}, 1, 1);
  EXPECT_TRUE(is_same("output", output.detach(), plain.detach()));
  output.sum().backward();
  EXPECT_TRUE(weight.grad().defined());
  const torch::NoGradGuard no_grad;
  at::autocast::set_autocast_enabled(at::kCPU, true);
  const auto cast = conv2d(x, weight, {}, 1, 1);
  at::autocast::set_autocast_enabled(at::kCPU, false);
  at::autocast::clear_cache();
  EXPECT_EQ(cast.scalar_type(), at::kBFloat16);
}

}  // namespace
}  // namespace xattn
