// `geglu` takes our kernels or LibTorch's, and says the same whichever it takes.

#include "xattn/ops/geglu.h"

#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <array>
#include <cmath>

#include "ops/cpu/choice.h"
#include "ops/cpu/geglu.h"
#include "support/parity.h"

namespace xattn {
namespace {

using testing::is_near;
using testing::is_same;

constexpr double kGegluTolerance = 2e-6;

at::Tensor by_definition(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const auto halves =
      at::linear(x, weight, bias.defined() ? std::optional(bias) : std::nullopt).chunk(2, -1);
  return halves[0] * at::gelu(halves[1]);
}

at::Tensor gated_in_doubles(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return by_definition(x.to(at::kDouble), weight.to(at::kDouble),
                       bias.defined() ? bias.to(at::kDouble) : bias)
      .to(at::kFloat);
}

class CpuGeglu : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!cpu::use_kernels()) GTEST_SKIP() << "no kernels but LibTorch's";
    torch::manual_seed(41);
  }
  torch::NoGradGuard no_grad_;
};

TEST_F(CpuGeglu, OfAnySizeIsLibTorchs) {
  for (const auto& [rows, in, out] : {std::array<int64_t, 3>{1, 1, 1},
                                      {2, 5, 3},
                                      {48, 320, 1280},
                                      {49, 640, 100},
                                      {300, 1300, 70},
                                      {7, 2100, 33}}) {
    const auto weight = torch::randn({2 * out, in}) / std::sqrt(double(in)),
               bias = torch::randn({2 * out});
    const auto x = torch::randn({1, rows, in}), wide = torch::cat({x, x}, 2).slice(2, 0, in);
    for (const auto& b : {bias, at::Tensor()}) {
      const auto expected = gated_in_doubles(x, weight, b);
      EXPECT_TRUE(is_near("x", cpu::geglu(x, weight, b), expected, kGegluTolerance));
      EXPECT_TRUE(is_near("part", cpu::geglu(wide, weight, b), expected, kGegluTolerance));
    }
    EXPECT_TRUE(is_near("weight", cpu::geglu(x, weight.t().contiguous().t(), bias),
                        gated_in_doubles(x, weight, bias), kGegluTolerance));
  }
  EXPECT_EQ(cpu::geglu(torch::randn({0, 8}), torch::randn({6, 8}), {}).sizes(),
            (at::IntArrayRef{0, 3}));
}

TEST_F(CpuGeglu, IsTheSameOnAnyNumberOfCores) {
  const auto threads = at::get_num_threads();
  const auto x = torch::randn({100, 64}), weight = torch::randn({200, 64});
  const auto expected = cpu::geglu(x, weight, {});
  for (const int some : {1, 2, 3, 8}) {
    at::set_num_threads(some);
    EXPECT_TRUE(is_near("output", cpu::geglu(x, weight, {}), expected, 1e-6)) << some;
  }
  at::set_num_threads(threads);
}

// The twin that must fail.
TEST_F(CpuGeglu, NoticesAChangedWeight) {
  const auto x = torch::randn({4, 16}), weight = torch::randn({32, 16}),
             expected = gated_in_doubles(x, weight, {});
  weight[20][5] += 1e-3;
  EXPECT_FALSE(is_near("output", cpu::geglu(x, weight, {}), expected, kGegluTolerance));
}

TEST(GegluOp, IsLibTorchsWhicheverItTakes) {
  torch::manual_seed(42);
  const torch::NoGradGuard no_grad;
  const auto x = torch::randn({2, 30, 64}), weight = torch::randn({128, 64}) / 8,
             bias = torch::randn({128});
  EXPECT_TRUE(is_near("output", geglu(x, weight, bias), gated_in_doubles(x, weight, bias),
                      kGegluTolerance));
  EXPECT_TRUE(is_same("doubles", geglu(x.to(at::kDouble), weight.to(at::kDouble), {}),
                      by_definition(x.to(at::kDouble), weight.to(at::kDouble), {})));
  EXPECT_ANY_THROW(geglu(x, weight.slice(1, 0, 32), bias));
  EXPECT_ANY_THROW(geglu(x, weight.slice(0, 0, 127), bias.slice(0, 0, 127)));
  EXPECT_ANY_THROW(geglu(x.to(at::kDouble), weight, bias));
}

TEST(GegluOp, GivesWayToGradientsAndAutocast) {
  torch::manual_seed(43);
  const auto x = torch::randn({30, 64}), weight = torch::randn({128, 64}).requires_grad_(true);
  const auto output = geglu(x, weight, {});
  EXPECT_TRUE(is_same("output", output.detach(), by_definition(x, weight, {}).detach()));
  output.sum().backward();
  EXPECT_TRUE(weight.grad().defined());
  const torch::NoGradGuard no_grad;
  at::autocast::set_autocast_enabled(at::kCPU, true);
  const auto cast = geglu(x, weight, {});
  at::autocast::set_autocast_enabled(at::kCPU, false);
  at::autocast::clear_cache();
  EXPECT_EQ(cast.scalar_type(), at::kBFloat16);
}

}  // namespace
}  // namespace xattn
