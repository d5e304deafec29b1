// `group_norm` takes our kernels or LibTorch's, and says the same whichever it takes.

#include "xattn/ops/group_norm.h"

#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <limits>
#include <tuple>

#include "ops/cpu/choice.h"
#include "ops/cpu/group_norm.h"
#include "support/parity.h"

namespace xattn {
namespace {

using testing::is_near;
using testing::is_same;

constexpr double kNormTolerance = 2e-6, kNormEps = 1e-5;
constexpr auto kByPixels = at::MemoryFormat::ChannelsLast;

at::Tensor by_libtorch(const at::Tensor& x, int64_t groups, const at::Tensor& weight,
                       const at::Tensor& bias, bool silu) {
  const auto output = at::group_norm(x, groups, weight,
                                     bias.defined() ? std::optional(bias) : std::nullopt, kNormEps);
  return silu ? at::silu(output) : output;
}

at::Tensor in_doubles(const at::Tensor& x, int64_t groups, const at::Tensor& weight,
                      const at::Tensor& bias, bool silu) {
  return by_libtorch(x.to(at::kDouble), groups, weight.to(at::kDouble),
                     bias.defined() ? bias.to(at::kDouble) : bias, silu)
      .to(at::kFloat);
}

class CpuGroupNorm : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!cpu::use_kernels()) GTEST_SKIP() << "no kernels but LibTorch's";
    torch::manual_seed(31);
  }
  torch::NoGradGuard no_grad_;
};

TEST_F(CpuGroupNorm, OfAnySizeInAnyLayoutIsLibTorchs) {
  for (const auto& [batch, channels, height, width, groups] :
       {std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t>{1, 320, 16, 16, 32},
        {2, 320, 17, 13, 32},
        {2, 6, 5, 7, 3},
        {3, 7, 3, 5, 7},
        {2, 10, 1, 1, 2},
        {1, 1, 1, 1, 1},
        {2, 96, 61, 45, 1},
        {1, 37, 9, 8, 1},
        {2, 64, 1, 67, 64},
        {1, 520, 9, 1, 4},
        {1, 1280, 8, 8, 32},
        {1, 128, 80, 80, 32}}) {
    const auto weight = torch::randn({channels}), bias = torch::randn({channels});
    for (const double mean : {0.0, -3.0, 1000.0}) {
      const auto x = torch::randn({batch, channels, height, width}) + mean;
      const auto part = torch::cat({x, x}, 3).slice(3, width), pixels = x.contiguous(kByPixels),
                 part_of_pixels = torch::cat({pixels, pixels}, 2).slice(2, height);
      for (const bool silu : {false, true}) {
        const auto expected = in_doubles(x, groups, weight, bias, silu);
        for (const auto& each : {x, pixels, part, part_of_pixels}) {
          const auto output = cpu::group_norm(each, {groups, kNormEps, silu}, weight, bias);
          EXPECT_TRUE(is_near("output", output, expected, kNormTolerance))
              << x.sizes() << " in " << groups << ", mean " << mean;
          EXPECT_EQ(output.strides(),
                    at::group_norm(each, groups, weight, bias, kNormEps).strides());
        }
      }
    }
  }
}

TEST_F(CpuGroupNorm, OfTokensIsThatOfTheirImage) {
  const auto image = torch::randn({2, 64, 9, 7}), weight = torch::randn({64});
  const auto expected = in_doubles(image, 8, weight, {}, false).flatten(2);
  for (const auto& x : {image, image.contiguous(kByPixels)}) {
    const auto tokens = x.flatten(2);
    const auto output = cpu::group_norm(tokens, {8, kNormEps, false}, weight, {});
    EXPECT_TRUE(is_near("output", output, expected, kNormTolerance));
    EXPECT_EQ(output.strides(), tokens.strides());
  }
}

// Numbers that are all the same but for a few, where sums of squares would be lost.
TEST_F(CpuGroupNorm, KeepsItsDigitsBesideOutliers) {
  const auto weight = torch::randn({32}), bias = torch::randn({32});
  auto x = torch::full({1, 32, 64, 64}, 1000.0) + 1e-3 * torch::randn({1, 32, 64, 64});
  x.slice(2, 0, 2).zero_();
  for (const auto& each : {x, x.contiguous(kByPixels), torch::full_like(x, 1000.1)}) {
    EXPECT_TRUE(is_near("output", cpu::group_norm(each, {8, kNormEps, false}, weight, bias),
                        in_doubles(each, 8, weight, bias, false), kNormTolerance));
  }
}

TEST_F(CpuGroupNorm, OfWhatIsNotANumberIsNone) {
  constexpr auto kInfinity = std::numeric_limits<float>::infinity();
  constexpr auto kNaN = std::numeric_limits<float>::quiet_NaN();
  const auto weight = torch::randn({32}), bias = torch::randn({32});
  for (const float value : {kInfinity, -kInfinity, kNaN}) {
    for (const auto format : {at::MemoryFormat::Contiguous, kByPixels}) {
      for (const int64_t row : {0, 30}) {
        auto x = torch::randn({2, 32, 40, 40}).contiguous(format);
        x[1][13][row][3] = value;
        for (const bool silu : {false, true}) {
          const auto output = cpu::group_norm(x, {8, kNormEps, silu}, weight, bias);
          EXPECT_TRUE(output.isnan().equal(by_libtorch(x, 8, weight, bias, silu).isnan()));
          EXPECT_EQ(output.isnan().sum().item<int64_t>(), 4 * 40 * 40);
          EXPECT_TRUE(is_near("elsewhere", output[0], in_doubles(x, 8, weight, bias, silu)[0],
                              kNormTolerance));
        }
      }
    }
  }
}

TEST_F(CpuGroupNorm, WithLargeOutputsOfSiluIsLibTorchs) {
  auto weight = torch::full({32}, 1e3), bias = torch::zeros({32});
  weight[3] = kNormEps;
  bias[7] = std::numeric_limits<float>::infinity();
  bias[9] = -std::numeric_limits<float>::infinity();
  bias[11] = 3e38;
  bias[13] = -3e38;
  const auto x = torch::randn({1, 32, 8, 8});
  const auto output = cpu::group_norm(x, {8, kNormEps, true}, weight, bias),
             expected = by_libtorch(x, 8, weight, bias, true);
  EXPECT_TRUE(at::allclose(output, expected, 1e-5, 1e-5, /*equal_nan=*/true));
}

TEST_F(CpuGroupNorm, IsTheSameOnAnyNumberOfCores) {
  const auto threads = at::get_num_threads();
  const auto weight = torch::randn({48}), bias = torch::randn({48});
  for (const auto format : {at::MemoryFormat::Contiguous, kByPixels}) {
    const auto x = torch::randn({2, 48, 121, 75}).contiguous(format);
    const auto expected = cpu::group_norm(x, {16, kNormEps, true}, weight, bias);
    for (const int some : {1, 2, 3, 8}) {
      at::set_num_threads(some);
      EXPECT_TRUE(
          is_same("output", cpu::group_norm(x, {16, kNormEps, true}, weight, bias), expected));
    }
    at::set_num_threads(threads);
  }
}

// The twin that must fail.
TEST_F(CpuGroupNorm, NoticesAChangedWeight) {
  const auto x = torch::randn({1, 32, 16, 16}), weight = torch::randn({32}),
             expected = in_doubles(x, 8, weight, {}, true);
  weight[5] += 1e-3;
  EXPECT_FALSE(is_near("output", cpu::group_norm(x, {8, kNormEps, true}, weight, {}), expected,
                       kNormTolerance));
}

TEST(GroupNormChoice, IsTheSameEachTime) {
  for (const bool by_pixels : {false, true}) {
    const auto faster = cpu::group_norm_is_faster(by_pixels, 1024);
    EXPECT_EQ(cpu::group_norm_is_faster(by_pixels, 1024), faster);
    EXPECT_LE(faster, cpu::use_kernels());
    EXPECT_LE(faster, cpu::processor() != cpu::Processor::kOther);
  }
  EXPECT_FALSE(cpu::group_norm_is_faster(false, 64));  // a channel is too short
}

TEST(GroupNormOp, IsLibTorchsWhicheverItTakes) {
  torch::manual_seed(32);
  const torch::NoGradGuard no_grad;
  const auto x = torch::randn({2, 32, 24, 24}), weight = torch::randn({32}),
             bias = torch::randn({32});
  for (const auto activation : {NormActivation::kNone, NormActivation::kSilu}) {
    const bool silu = activation == NormActivation::kSilu;
    for (const auto& each : {x, x.contiguous(kByPixels), x.flatten(2)}) {
      EXPECT_TRUE(is_near("output", group_norm(each, 8, weight, bias, kNormEps, activation),
                          in_doubles(each, 8, weight, bias, silu), kNormTolerance));
    }
    const auto expect_libtorchs = [&](const char* what, const at::Tensor& input,
                                      const at::Tensor& scale, const at::Tensor& shift) {
      EXPECT_TRUE(is_same(what, group_norm(input, 8, scale, shift, kNormEps, activation),
                          by_libtorch(input, 8, scale, shift, silu)));
    };
    expect_libtorchs("no image", x.slice(0, 0, 0), weight, bias);
    expect_libtorchs("volumes", x.unsqueeze(2), weight, bias);
    expect_libtorchs("vectors", x.flatten(0, 1).flatten(1).slice(1, 0, 32), weight, bias);
    for (const auto type : {at::kDouble, at::kBFloat16}) {
      expect_libtorchs("type", x.to(type), weight.to(type), bias.to(type));
    }
  }
  EXPECT_TRUE(is_same("plain", xattn::group_norm(x, 8, {}, {}, kNormEps),
                      at::group_norm(x, 8, {}, {}, kNormEps)));
  EXPECT_ANY_THROW(group_norm(x, 7, weight, bias, kNormEps));
  EXPECT_ANY_THROW(group_norm(x, 0, weight, bias, kNormEps));
  EXPECT_ANY_THROW(group_norm(x, 8, weight.slice(0, 0, 16), bias, kNormEps));
  EXPECT_ANY_THROW(group_norm(x, 8, weight, bias.slice(0, 0, 16), kNormEps));
}

TEST(GroupNormOp, GivesWayToGradientsAndAutocast) {
  torch::manual_seed(33);
  const auto x = torch::randn({2, 32, 24, 24}), weight = torch::randn({32}).requires_grad_(true),
             bias = torch::randn({32});
  const auto output = group_norm(x, 8, weight, bias, kNormEps, NormActivation::kSilu);
  EXPECT_TRUE(
      is_same("output", output.detach(), by_libtorch(x, 8, weight, bias, /*silu=*/true).detach()));
  output.sum().backward();
  EXPECT_TRUE(weight.grad().defined());
  const torch::NoGradGuard no_grad;
  at::autocast::set_autocast_enabled(at::kCPU, true);
  const auto cast = group_norm(x, 8, weight, bias, kNormEps, NormActivation::kSilu),
             expected = by_libtorch(x, 8, weight, bias, /*silu=*/true);
  at::autocast::set_autocast_enabled(at::kCPU, false);
  at::autocast::clear_cache();
  EXPECT_TRUE(is_same("cast", cast, expected));
}

}  // namespace
}  // namespace xattn
