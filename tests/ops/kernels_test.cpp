// The innermost loops, for every kind of processor that this one can stand for, against ATen in
// double precision.

#include "ops/cpu/kernels.h"

#include <gtest/gtest.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <cmath>
#include <limits>

#include "ops/cpu/linear.h"
#include "ops/cpu/packed.h"
#include "support/parity.h"

namespace xattn::cpu {
namespace {

using testing::is_near;

constexpr auto kInfinity = std::numeric_limits<float>::infinity();

class KernelsTest : public ::testing::TestWithParam<const Kernels*> {
 protected:
  void SetUp() override { torch::manual_seed(11); }

  const Kernels& kernels_ = *GetParam();

  struct Packed {
    at::Tensor tensor;  // [panels, rows, panel]
    Panels panels() const { return {tensor.data_ptr<float>(), tensor.stride(0)}; }
    /// `[rows, columns]`, of which the first are the matrix.
    at::Tensor matrix() const { return tensor.transpose(0, 1).flatten(1); }
  };

  /// Room that holds NaN, so that what is not written shows.
  Packed empty(int64_t rows, int64_t columns) const {
    const auto panel = kernels_.panel;
    return {torch::full({(columns + panel - 1) / panel, rows, panel}, std::nan(""))};
  }

  Packed pack(const at::Tensor& matrix) const {
    auto packed = empty(matrix.size(0), matrix.size(1));
    kernels_.pack(matrix.size(0), matrix.size(1), stored_matrix_of(matrix), packed.panels());
    return packed;
  }

  at::Tensor softmax(const at::Tensor& scores, const at::Tensor& bias) const {
    const auto heads = scores.size(0), tokens = scores.size(1), count = scores.size(2);
    const auto packed = pack(scores.flatten(0, 1));
    kernels_.softmax_over_text(heads, tokens, count, bias.data_ptr<float>(), packed.panels());
    return packed.matrix().narrow(1, 0, count).reshape(scores.sizes());
  }
};

TEST_P(KernelsTest, PacksAMatrixOrItsTransposeAndFillsWithZeros) {
  for (const int64_t rows : {1, 7, 16, 33, 100}) {
    for (const int64_t columns : {1, 5, 31, 32, 48, 97}) {
      const auto matrix = torch::randn({rows, columns});
      const auto filled = kernels_.panel * ((columns + kernels_.panel - 1) / kernels_.panel);
      const auto expected = torch::constant_pad_nd(matrix, {0, filled - columns});
      EXPECT_TRUE(pack(matrix).matrix().equal(expected)) << rows << " × " << columns;
      EXPECT_TRUE(pack(matrix.t().contiguous().t()).matrix().equal(expected))
          << rows << " × " << columns;
      const auto wider = torch::randn({rows, columns + 3}).narrow(1, 2, columns);
      EXPECT_TRUE(pack(wider).matrix().narrow(1, 0, columns).equal(wider));
    }
  }
}

TEST_P(KernelsTest, PacksStoredTypesAsATenWidensThem) {
  // Every number of 16 bits: subnormals, infinities and NaN among them.
  const auto bits = torch::arange(-(1 << 15), 1 << 15, torch::kShort);
  for (const auto type : {torch::kHalf, torch::kBFloat16}) {
    for (const auto& sizes : {std::array<int64_t, 2>{256, 256}, {64, 1024}}) {
      const auto stored = bits.view(type).view({sizes[0], sizes[1]});
      const auto expected = stored.to(torch::kFloat).contiguous().view(torch::kInt);
      const auto packed = pack(stored).matrix().narrow(1, 0, sizes[1]);
      EXPECT_TRUE(packed.contiguous().view(torch::kInt).equal(expected));
      const auto transposed = pack(stored.t()).matrix().narrow(1, 0, sizes[0]);
      EXPECT_TRUE(transposed.contiguous().view(torch::kInt).equal(expected.t()));
    }
    // Rows and columns below a vector.
    const auto corner = bits.view(type).narrow(0, 1000, 35).view({5, 7});
    EXPECT_TRUE(pack(corner).matrix().narrow(1, 0, 7).equal(corner.to(torch::kFloat)));
    EXPECT_TRUE(pack(corner.t()).matrix().narrow(1, 0, 5).equal(corner.t().to(torch::kFloat)));
  }
}

TEST_P(KernelsTest, MultipliesWithEveryRemainder) {
  for (const auto& [rows, columns, inner] : {std::array<int64_t, 3>{1, 1, 1},
                                             {8, 32, 16},
                                             {9, 33, 1},
                                             {77, 100, 320},
                                             {250, 70, 617},
                                             {49, 31, 385},
                                             {17, 9, 1500},
                                             {23, 15, 384},
                                             {3, 200, 0}}) {
    const auto a = torch::randn({inner, rows}), b = torch::randn({inner, columns});
    const auto packed_a = pack(a), packed_b = pack(b);
    const auto exact = a.t().to(torch::kDouble).mm(b.to(torch::kDouble));
    const auto scale = std::sqrt(double(inner) + 1);

    const auto out = torch::full({rows + 1, columns + 2}, 7.0F);
    kernels_.multiply(rows, columns, inner, packed_a.panels(), packed_b.panels(),
                      {out.data_ptr<float>(), out.stride(0)});
    EXPECT_LE((out.narrow(0, 0, rows).narrow(1, 0, columns) - exact).abs().max().item<double>(),
              2e-6 * scale);
    EXPECT_TRUE(out.narrow(1, columns, 2).eq(7).all().item<bool>());  // and nothing beside it
    EXPECT_TRUE(out.narrow(0, rows, 1).eq(7).all().item<bool>());

    const auto packed_out = empty(rows, columns);
    kernels_.multiply_packed(rows, columns, inner, packed_a.panels(), packed_b.panels(),
                             packed_out.panels());
    EXPECT_LE((packed_out.matrix().narrow(1, 0, columns) - exact).abs().max().item<double>(),
              2e-6 * scale);
  }
}

TEST_P(KernelsTest, MultipliesRowsWhereTheyLieAndAddsToTheResult) {
  for (int64_t rows = 1; rows <= 20; ++rows) {
    for (const auto& [columns, inner] : {std::array<int64_t, 2>{1, 1},
                                         {7, 3},
                                         {8, 16},
                                         {17, 40},
                                         {kernels_.panel, 33},
                                         {2 * kernels_.panel + 5, 300}}) {
      const auto wider = torch::randn({rows, inner + 5}), b = torch::randn({inner, columns});
      const auto a = wider.narrow(1, 2, inner);
      const auto out = torch::randn({rows + 1, columns + 2}), before = out.clone();
      const auto packed_b = pack(b);
      kernels_.multiply_rows(rows, columns, inner, {a.data_ptr<float>(), a.stride(0)},
                             packed_b.panels(), {out.data_ptr<float>(), out.stride(0)});
      auto exact = before.to(torch::kDouble);
      exact.narrow(0, 0, rows)
          .narrow(1, 0, columns)
          .add_(a.to(torch::kDouble).mm(b.to(torch::kDouble)));
      EXPECT_LE((out - exact).abs().max().item<double>(), 4e-6 * std::sqrt(double(inner) + 1));
      EXPECT_TRUE(out.narrow(1, columns, 2).equal(before.narrow(1, columns, 2)));
      EXPECT_TRUE(out.narrow(0, rows, 1).equal(before.narrow(0, rows, 1)));
    }
  }
}

TEST_P(KernelsTest, SoftmaxOverTextIsExactToAFewUnitsInTheLastPlace) {
  for (const int64_t count : {1, 63, 64, 200}) {
    const auto scores = torch::randn({3, 9, count}), bias = torch::randn({3, 9});
    const auto weights = softmax(scores, bias).to(torch::kDouble);
    const auto exact =
        ((scores + bias.unsqueeze(-1)).to(torch::kDouble) * std::log(2.0)).softmax(1);
    EXPECT_LE(((weights - exact).abs() / exact).max().item<double>(), 6e-7);
  }
}

TEST_P(KernelsTest, SoftmaxOverTextOfLargeScores) {
  const auto scores = torch::randn({2, 9, 40}) * 1000, bias = torch::zeros({2, 9});
  const auto exact = (scores.to(torch::kDouble) * std::log(2.0)).softmax(1);
  EXPECT_LE((softmax(scores, bias) - exact).abs().max().item<double>(), 1e-6);
  EXPECT_TRUE(
      softmax(torch::full({1, 4, 3}, 3e38F), torch::zeros({1, 4})).eq(0.25).all().item<bool>());
}

TEST_P(KernelsTest, SoftmaxOverTextWhereNothingIsLeftIsZero) {
  auto bias = torch::zeros({2, 5});
  bias[0] = -kInfinity;
  const auto weights = softmax(torch::randn({2, 5, 20}), bias);
  EXPECT_TRUE(weights[0].eq(0).all().item<bool>());
  EXPECT_TRUE(is_near("sum", weights[1].sum(0), torch::ones({20}), 1e-6));
}

INSTANTIATE_TEST_SUITE_P(Cpu, KernelsTest, ::testing::ValuesIn(available_kernels()),
                         [](const auto& info) { return std::string(info.param->name); });

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
