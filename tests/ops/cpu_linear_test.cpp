// Linear layers on our kernels, against ATen's.

#include "ops/cpu/linear.h"

#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <array>
#include <cmath>

#include "support/parity.h"

namespace xattn::cpu {
namespace {

using testing::is_near;

TEST(CpuLinear, TakesAStoredWeight) {
  torch::manual_seed(13);
  const auto x = torch::randn({9, 500}), bias = torch::randn({70});
  for (const auto type : {torch::kHalf, torch::kBFloat16}) {
    const auto weight = torch::randn({70, 500}).to(type);
    EXPECT_TRUE(cpu::linear(x, weight, bias).equal(cpu::linear(x, weight.to(torch::kFloat), bias)));
  }
}

TEST(CpuLinear, TakesARowBesideOthersInMemory) {
  const auto x = torch::randn({6, 40}).narrow(1, 3, 30), weight = torch::randn({30, 50}).t();
  EXPECT_TRUE(
      is_near("strided", cpu::linear(x, weight, at::Tensor()), torch::linear(x, weight), 1e-6));
}

TEST(CpuLinear, IsThatOfATen) {
  torch::manual_seed(12);
  for (const auto& [rows, in, out] : {std::array<int64_t, 3>{1, 1, 1},
                                      {40, 256, 256},
                                      {154, 768, 320},
                                      {5, 33, 70},
                                      {2, 1, 1000},
                                      {100, 3, 1},
                                      {50, 2000, 30},
                                      {300, 900, 700},
                                      {1500, 40, 70}}) {
    const auto x = torch::randn({1, rows, in}),
               weight = torch::randn({out, in}) / std::sqrt(double(in));
    const auto bias = torch::randn({out});
    const auto exact =
        torch::linear(x.to(torch::kDouble), weight.to(torch::kDouble), bias.to(torch::kDouble));
    EXPECT_TRUE(is_near("with bias", cpu::linear(x, weight, bias).to(torch::kDouble), exact, 1e-6));
    EXPECT_TRUE(is_near("without", cpu::linear(x, weight, at::Tensor()).to(torch::kDouble),
                        exact - bias, 1e-6));
  }
  EXPECT_EQ(cpu::linear(torch::randn({0, 3}), torch::randn({4, 3}), at::Tensor()).sizes(),
            (std::vector<int64_t>{0, 4}));
}

}  // namespace
}  // namespace xattn::cpu
