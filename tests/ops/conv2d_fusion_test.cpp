// What a convolution is fused with is computed as if each operator had its own pass over memory.

#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <cmath>
#include <utility>

#include "ops/cpu/choice.h"
#include "ops/cpu/winograd.h"
#include "support/parity.h"
#include "xattn/ops/conv2d.h"
#include "xattn/ops/precision.h"

namespace xattn {
namespace {

using testing::is_near;
using testing::is_same;

constexpr double kFusedTolerance = 5e-6;

at::Tensor doubles(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.to(at::kDouble) : tensor;
}

/// The definition, by LibTorch's operators in double precision.
at::Tensor definition(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                      const Conv2dFusion& fusion) {
  auto y = doubles(x);
  if (const auto& norm = fusion.norm) {
    y = at::group_norm(y, norm->groups, doubles(norm->weight), doubles(norm->bias), norm->eps);
    if (norm->activation == NormActivation::kSilu) y = at::silu(y);
  }
  if (fusion.enlarges) y = at::upsample_nearest2d(y, {2 * x.size(2), 2 * x.size(3)});
  y = at::conv2d(y, doubles(weight), bias.defined() ? std::optional(doubles(bias)) : std::nullopt,
                 1, weight.size(2) / 2);
  if (fusion.shift.defined()) y = y + doubles(fusion.shift).unsqueeze(-1).unsqueeze(-1);
  return fusion.residual.defined() ? y + doubles(fusion.residual) : y;
}

struct Case {
  at::Tensor x, weight, bias;
  Conv2dFusion fusion;
};

/// A bit of `parts` for each part of the fusion.
Case case_of(int parts, int64_t batch, int64_t channels, int64_t height, int64_t width,
             int64_t kernel = 3) {
  const int64_t out = 48;
  const auto [norm, enlarges, shift, residual] =
      std::tuple{parts & 1, parts & 2, parts & 4, parts & 8};
  const auto scale = enlarges ? 2 : 1;
  Case made = {torch::randn({batch, channels, height, width}) + 3,
               torch::randn({out, channels, kernel, kernel}) / (kernel * std::sqrt(channels)),
               torch::randn({out}),
               {}};
  if (norm) {
    made.fusion.norm = GroupNormArguments{8, torch::rand({channels}) + 0.5,
                                          torch::randn({channels}), 1e-5, NormActivation::kSilu};
  }
  made.fusion.enlarges = enlarges;
  if (shift) made.fusion.shift = torch::randn({batch, out});
  if (residual) made.fusion.residual = torch::randn({batch, out, scale * height, scale * width});
  return made;
}

class FusedConv2d : public ::testing::TestWithParam<Precision> {
 protected:
  void SetUp() override { torch::manual_seed(11); }

  torch::NoGradGuard no_grad_;
  const UsePrecision precision_{GetParam()};
};

void expect_definition(const Case& of) {
  const auto& [x, weight, bias, fusion] = of;
  const auto pixels = x.contiguous(at::MemoryFormat::ChannelsLast);
  EXPECT_TRUE(is_near("pixels", conv2d(pixels, weight, bias, 1, 1, fusion),
                      definition(x, weight, bias, fusion).to(at::kFloat), kFusedTolerance));
  EXPECT_TRUE(is_near("channels, without bias", conv2d(x, weight, {}, 1, 1, fusion),
                      definition(x, weight, {}, fusion).to(at::kFloat), kFusedTolerance));
}

TEST_P(FusedConv2d, IsItsOperatorsOneAfterTheOther) {
  for (int parts = 0; parts < 16; ++parts) {
    SCOPED_TRACE("parts " + std::to_string(parts));
    for (const auto& [batch, channels, height, width] :
         {std::tuple<int64_t, int64_t, int64_t, int64_t>{1, 16, 1, 1},
          {2, 32, 8, 5},
          {3, 32, 37, 42},
          {2, 24, 10, 10}}) {
      expect_definition(case_of(parts, batch, channels, height, width));
    }
  }
}

// So many that a strip has one tile.
TEST_P(FusedConv2d, OfManyChannelsIsItsOperatorsToo) {
  expect_definition(case_of(13, 1, 1280, 66, 62));
  expect_definition(case_of(3, 1, 1280, 33, 31));
}

TEST_P(FusedConv2d, OfOnePixelIsItsOperatorsToo) {
  for (int parts = 0; parts < 16; ++parts) {
    const auto [x, weight, bias, fusion] = case_of(parts, 2, 32, 9, 12, 1);
    EXPECT_TRUE(is_near("output", conv2d(x, weight, bias, 1, 0, fusion),
                        definition(x, weight, bias, fusion).to(at::kFloat), kFusedTolerance));
  }
}

TEST_P(FusedConv2d, WritesOverNoResidualThatSomebodyHolds) {
  for (const int64_t size : {6, 68}) {
    auto [x, weight, bias, fusion] = case_of(8, 1, 32, size, size);
    fusion.residual = fusion.residual.contiguous(at::MemoryFormat::ChannelsLast);
    const auto held = fusion.residual, before = held.clone();
    const auto expected = conv2d(x, weight, bias, 1, 1, fusion);
    EXPECT_TRUE(is_same("tensor", held, before));
    fusion.residual = held.slice(0, 0, 1);
    conv2d(x, weight, bias, 1, 1, std::move(fusion));
    EXPECT_TRUE(is_same("storage", held, before));
    const auto strides = held.strides();
    fusion.residual = at::from_blob(held.data_ptr(), held.sizes(), strides, held.options());
    conv2d(x, weight, bias, 1, 1, std::move(fusion));
    EXPECT_TRUE(is_same("memory", held, before));
    fusion.residual = before.clone();
    const auto* const memory = fusion.residual.const_data_ptr();
    const auto output = conv2d(x, weight, bias, 1, 1, std::move(fusion));
    EXPECT_TRUE(is_same("output", output, expected));
    EXPECT_EQ(output.const_data_ptr() == memory, cpu::images_go_by_pixels());
  }
}

// The twins that must fail.
TEST_P(FusedConv2d, NoticesEachPart) {
  for (const int64_t size : {6, 68}) {
    const auto [x, weight, bias, fusion] = case_of(13, 1, 32, size, size);
    const auto expected = definition(x, weight, bias, fusion).to(at::kFloat);
    const auto differs = [&](const Conv2dFusion& other) {
      return !is_near("changed", conv2d(x, weight, bias, 1, 1, other), expected, kFusedTolerance);
    };
    EXPECT_FALSE(differs(fusion));
    auto changed = fusion;
    changed.norm->activation = NormActivation::kNone;
    EXPECT_TRUE(differs(changed));
    changed = fusion;
    changed.norm->bias = fusion.norm->bias.clone();
    changed.norm->bias[7] += 1e-3;
    EXPECT_TRUE(differs(changed));
    changed = fusion;
    changed.shift = fusion.shift.clone();
    changed.shift[0][5] += 1e-3;
    EXPECT_TRUE(differs(changed));
    changed = fusion;
    changed.residual = fusion.residual.clone();
    changed.residual[0][5][size - 1][0] += 1e-3;
    EXPECT_TRUE(differs(changed));
  }
}

INSTANTIATE_TEST_SUITE_P(Conv2d, FusedConv2d,
                         ::testing::Values(Precision::kFast, Precision::kPrecise),
                         [](const auto& info) {
                           return info.param == Precision::kFast ? "fast" : "precise";
                         });

TEST(Conv2dFusion, GivesWayToGradientsOfEachPart) {
  torch::manual_seed(12);
  for (int which = 0; which < 3; ++which) {
    auto [x, weight, bias, fusion] = case_of(13, 2, 32, 12, 12);
    const auto leaf = which == 0   ? fusion.norm->weight
                      : which == 1 ? fusion.shift
                                   : fusion.residual;
    leaf.requires_grad_(true);
    const auto expected = definition(x, weight, bias, fusion);
    const auto output = conv2d(x, weight, bias, 1, 1, std::move(fusion));
    EXPECT_TRUE(
        is_near("output", output.detach(), expected.detach().to(at::kFloat), kFusedTolerance));
    const auto of_output = torch::autograd::grad({output.square().sum()}, {leaf})[0];
    const auto of_definition = torch::autograd::grad({expected.square().sum()}, {leaf})[0];
    EXPECT_TRUE(is_near("gradient", of_output, of_definition, 1e-5));
  }
}

TEST(Conv2dFusion, IsRefusedWhereItDoesNotFit) {
  const torch::NoGradGuard no_grad;
  auto [x, weight, bias, fusion] = case_of(13, 2, 32, 12, 12);
  auto other = fusion;
  other.shift = torch::randn({3, 48});
  EXPECT_ANY_THROW(conv2d(x, weight, bias, 1, 1, other));
  other = fusion;
  other.residual = torch::randn({2, 48, 12, 11});
  EXPECT_ANY_THROW(conv2d(x, weight, bias, 1, 1, other));
  other = fusion;
  other.norm->groups = 5;
  EXPECT_ANY_THROW(conv2d(x, weight, bias, 1, 1, other));
  other = fusion;
  other.norm->weight = torch::ones({16});
  EXPECT_ANY_THROW(conv2d(x, weight, bias, 1, 1, other));
}

}  // namespace
}  // namespace xattn
