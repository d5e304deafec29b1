// `linear` takes our kernels or LibTorch's, and says the same whichever it takes.

#include "xattn/ops/linear.h"

#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <cmath>

#include "ops/cpu/choice.h"
#include "ops/cpu/kernels.h"
#include "support/parity.h"
#include "xattn/ops/attention_path.h"

namespace xattn {
namespace {

using testing::is_near;
using testing::is_same;

TEST(LinearChoice, IsTheSameEachTime) {
  for (const int64_t rows : {1, 2, 77, 256, 4096}) {
    const auto faster = cpu::linear_is_faster(rows);
    EXPECT_EQ(cpu::linear_is_faster(rows), faster);
    EXPECT_LE(faster, cpu::use_kernels());
    EXPECT_LE(faster, cpu::processor() != cpu::Processor::kOther);
  }
  EXPECT_FALSE(cpu::linear_is_faster(1));  // a product with a vector
}

TEST(LinearChoice, SwitchedOffIsLibTorchs) {
  if (cpu::use_kernels()) GTEST_SKIP() << "only where XATTN_CPU_KERNELS is torch";
  const torch::NoGradGuard no_grad;
  const auto x = torch::randn({64, 320}), weight = torch::randn({640, 320}),
             bias = torch::randn({640});
  EXPECT_TRUE(is_same("linear", linear(x, weight, bias), torch::linear(x, weight, bias)));
  for (const bool prepared : {false, true}) {
    EXPECT_EQ(choose_attention_path({4, 1024, 10, 8, 256, 256, 256, 256}, prepared),
              AttentionPath::kSdpa);
  }
}

TEST(LinearOp, IsLibTorchsWhicheverItTakes) {
  torch::manual_seed(21);
  const torch::NoGradGuard no_grad;
  for (const auto& [rows, in, out] :
       {std::array<int64_t, 3>{1, 320, 1280}, {2, 320, 1280}, {600, 640, 640}, {77, 768, 320}}) {
    const auto x = torch::randn({rows, in}), weight = torch::randn({out, in}) / std::sqrt(in),
               bias = torch::randn({out});
    const auto exact =
        torch::linear(x.to(torch::kDouble), weight.to(torch::kDouble), bias.to(torch::kDouble));
    EXPECT_TRUE(is_near("linear", linear(x, weight, bias).to(torch::kDouble), exact, 2e-6));
  }
}

TEST(LinearOp, GivesWayToAutocast) {
  const torch::NoGradGuard no_grad;
  const auto x = torch::randn({64, 320}), weight = torch::randn({640, 320}),
             bias = torch::randn({640});
  at::autocast::set_autocast_enabled(at::kCPU, true);
  const auto output = linear(x, weight, bias), expected = torch::linear(x, weight, bias);
  at::autocast::set_autocast_enabled(at::kCPU, false);
  at::autocast::clear_cache();
  EXPECT_EQ(output.scalar_type(), at::autocast::get_autocast_dtype(at::kCPU));
  EXPECT_TRUE(is_same("linear", output, expected));
}

}  // namespace
}  // namespace xattn
