// The innermost loops, for every kind of processor that this one can stand for, against sums in
// double precision. Nothing here knows torch: it runs under qemu for processors for which there is
// none.

#include "ops/cpu/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <numbers>
#include <random>
#include <string>
#include <vector>

#include "matrix_rows.h"

namespace xattn::cpu {
namespace {

using Bits = Rows<uint16_t>;

/// Of these bits, exactly.
float half(uint16_t bits) {
  const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  if (exponent == 31) {
    const uint32_t quiet = mantissa ? 1 << 22 : 0;
    return std::bit_cast<float>((bits & 0x8000U) << 16 | 0xffU << 23 | uint32_t(mantissa) << 13 |
                                quiet);
  }
  const float size =
      exponent ? std::ldexp(1024.0F + mantissa, exponent - 25) : std::ldexp(float(mantissa), -24);
  return bits & 0x8000 ? -size : size;
}
float bfloat16(uint16_t bits) {
  return std::bit_cast<float>(uint32_t{bits} << 16);
}

/// Whether these are the same bits; of one NaN or another too.
bool is_same(float a, float b) {
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b);
}

class KernelsTest : public ::testing::TestWithParam<const Kernels*> {
 protected:
  const Kernels& kernels_ = *GetParam();
  std::mt19937 random_{11};

  Floats random(int64_t rows, int64_t columns, float scale = 1) {
    std::normal_distribution<float> normal(0, scale);
    Floats result{rows, columns};
    for (auto& each : result.data) each = normal(random_);
    return result;
  }

  /// A packed matrix; what is not written holds NaN, so that it shows.
  struct Packed {
    int64_t rows, panel;
    std::vector<float> data;

    Panels panels() { return {data.data(), rows * panel}; }
    float at(int64_t row, int64_t column) const {
      return data[static_cast<std::size_t>((column / panel * rows + row) * panel + column % panel)];
    }
  };

  Packed empty(int64_t rows, int64_t columns) const {
    const auto panel = kernels_.panel, panels = (columns + panel - 1) / panel;
    return {rows, panel, std::vector<float>(static_cast<std::size_t>(panels * rows * panel), kNaN)};
  }

  Packed pack(const StoredMatrix& matrix, int64_t rows, int64_t columns) const {
    auto packed = empty(rows, columns);
    kernels_.pack(rows, columns, matrix, packed.panels());
    return packed;
  }
  Packed pack(const Floats& matrix) const {
    return pack({matrix.data.data(), StoredType::kFloat, matrix.columns, 1}, matrix.rows,
                matrix.columns);
  }

  /// Whether a packed matrix begins with these numbers, and its last panel is filled with zeros.
  void expect_packed(const Packed& packed, int64_t columns,
                     const std::function<float(int64_t, int64_t)>& expected) const {
    const auto filled = (columns + kernels_.panel - 1) / kernels_.panel * kernels_.panel;
    int64_t wrong = 0;
    for (int64_t r = 0; r < packed.rows; ++r) {
      for (int64_t c = 0; c < filled; ++c) {
        wrong += !is_same(packed.at(r, c), c < columns ? expected(r, c) : 0.0F);
      }
    }
    EXPECT_EQ(wrong, 0) << packed.rows << " × " << columns;
  }

  /// The weights `[heads · text_tokens, image_tokens]` of such scores.
  Packed softmax(int64_t heads, const Floats& scores, const std::vector<float>& bias) const {
    auto packed = pack(scores);
    kernels_.softmax_over_text(heads, scores.rows / heads, scores.columns, bias.data(),
                               packed.panels());
    return packed;
  }
};

/// Softmax over a head's tokens of (score + bias) in units of log₂.
Rows<double> exact_softmax(int64_t heads, const Floats& scores, const std::vector<float>& bias) {
  Rows<double> result{scores.rows, scores.columns};
  const auto tokens = scores.rows / heads;
  for (int64_t i = 0; i < heads * scores.columns; ++i) {
    const auto first = i / scores.columns * tokens, column = i % scores.columns;
    double largest = -kInfinity, sum = 0;
    const auto score = [&](int64_t t) -> double {
      return scores.at(first + t, column) + bias[static_cast<std::size_t>(first + t)];
    };
    for (int64_t t = 0; t < tokens; ++t) largest = std::max(largest, score(t));
    for (int64_t t = 0; t < tokens; ++t) sum += std::exp2(score(t) - largest);
    for (int64_t t = 0; t < tokens; ++t) {
      result.at(first + t, column) = std::exp2(score(t) - largest) / sum;
    }
  }
  return result;
}

TEST_P(KernelsTest, PacksAMatrixOrItsTransposeAndFillsWithZeros) {
  for (const int64_t rows : {1, 7, 16, 33, 100}) {
    for (const int64_t columns : {1, 5, 31, 32, 48, 97}) {
      const auto matrix = random(rows, columns), transposed = matrix.transposed();
      const auto expected = [&](int64_t r, int64_t c) { return matrix.at(r, c); };
      expect_packed(pack(matrix), columns, expected);
      expect_packed(pack({transposed.data.data(), StoredType::kFloat, 1, rows}, rows, columns),
                    columns, expected);
      const auto wider = random(rows, columns + 3);
      expect_packed(
          pack({wider.data.data() + 2, StoredType::kFloat, columns + 3, 1}, rows, columns), columns,
          [&](int64_t r, int64_t c) { return wider.at(r, c + 2); });
    }
  }
}

TEST_P(KernelsTest, WidensStoredTypesExactly) {
  // Every number of 16 bits, subnormals, infinities and NaN among them; then fewer rows and columns
  // than a vector has.
  for (const auto& [type, widen] :
       {std::pair{StoredType::kHalf, &half}, {StoredType::kBFloat16, &bfloat16}}) {
    for (const auto& [rows, columns, first] :
         {std::array<int64_t, 3>{256, 256, 0}, {64, 1024, 0}, {5, 7, 1000}}) {
      Bits bits{rows, columns};
      for (std::size_t i = 0; i < bits.data.size(); ++i) {
        bits.data[i] = static_cast<uint16_t>(static_cast<std::size_t>(first) + i);
      }
      expect_packed(pack({bits.data.data(), type, columns, 1}, rows, columns), columns,
                    [&, widen = widen](int64_t r, int64_t c) { return widen(bits.at(r, c)); });
      expect_packed(pack({bits.data.data(), type, 1, columns}, columns, rows), rows,
                    [&, widen = widen](int64_t r, int64_t c) { return widen(bits.at(c, r)); });
    }
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
    const auto a = random(inner, rows), b = random(inner, columns);
    auto packed_a = pack(a), packed_b = pack(b);
    const auto exact = product(a, b);
    const auto allowed = 2e-6 * std::sqrt(double(inner) + 1);

    Floats out{rows + 1, columns + 2};
    for (auto& each : out.data) each = 7;
    kernels_.multiply(rows, columns, inner, packed_a.panels(), packed_b.panels(),
                      {out.data.data(), out.columns});
    auto packed_out = empty(rows, columns);
    kernels_.multiply_packed(rows, columns, inner, packed_a.panels(), packed_b.panels(),
                             packed_out.panels());
    for (int64_t r = 0; r <= rows; ++r) {
      for (int64_t c = 0; c < columns + 2; ++c) {
        if (r == rows || c >= columns) {
          EXPECT_EQ(out.at(r, c), 7);  // and nothing beside it
          continue;
        }
        EXPECT_NEAR(out.at(r, c), exact.at(r, c), allowed);
        EXPECT_NEAR(packed_out.at(r, c), exact.at(r, c), allowed);
      }
    }
  }
}

TEST_P(KernelsTest, MultipliesRowsWhereTheyLieAndMayAddToTheResult) {
  for (int64_t rows = 1; rows <= 20; ++rows) {
    const bool adds = rows % 3 != 0;
    for (const auto& [columns, inner] : {std::array<int64_t, 2>{1, 1},
                                         {7, 3},
                                         {8, 16},
                                         {17, 40},
                                         {kernels_.panel, 33},
                                         {2 * kernels_.panel + 5, 300}}) {
      auto a = random(rows, inner + 5);
      const auto b = random(inner, columns), before = random(rows + 1, columns + 2);
      Floats used{rows, inner};
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t k = 0; k < inner; ++k) used.at(r, k) = a.at(r, k + 2);
      }
      const auto exact = product(used.transposed(), b);
      auto out = before;
      auto packed_b = pack(b);
      kernels_.multiply_rows(rows, columns, inner, {a.data.data() + 2, a.columns},
                             packed_b.panels(), {out.data.data(), out.columns},
                             {.adds = adds, .fetches = rows % 2 == 0});
      for (int64_t r = 0; r <= rows; ++r) {
        for (int64_t c = 0; c < columns + 2; ++c) {
          const auto is_beside = r == rows || c >= columns;
          EXPECT_NEAR(out.at(r, c),
                      (adds || is_beside ? before.at(r, c) : 0) + (is_beside ? 0 : exact.at(r, c)),
                      is_beside ? 0 : 4e-6 * std::sqrt(double(inner) + 1));
        }
      }
    }
  }
}

TEST_P(KernelsTest, SoftmaxOverTextIsExactToAFewUnitsInTheLastPlace) {
  for (const int64_t count : {1, 63, 64, 200}) {
    const auto scores = random(3 * 9, count);
    const auto bias = random(1, 3 * 9).data;
    const auto weights = softmax(3, scores, bias);
    const auto exact = exact_softmax(3, scores, bias);
    for (int64_t r = 0; r < scores.rows; ++r) {
      for (int64_t c = 0; c < count; ++c) {
        EXPECT_NEAR(weights.at(r, c), exact.at(r, c), 6e-7 * exact.at(r, c));
      }
    }
  }
}

TEST_P(KernelsTest, SoftmaxOverTextOfLargeScores) {
  const auto scores = random(2 * 9, 40, 1000);
  const std::vector<float> bias(2 * 9);
  const auto weights = softmax(2, scores, bias);
  const auto exact = exact_softmax(2, scores, bias);
  for (int64_t r = 0; r < scores.rows; ++r) {
    for (int64_t c = 0; c < scores.columns; ++c) {
      EXPECT_NEAR(weights.at(r, c), exact.at(r, c), 1e-6);
    }
  }
  Floats largest{4, 3};
  for (auto& each : largest.data) each = 3e38F;
  const auto quarters = softmax(1, largest, std::vector<float>(4));
  for (int64_t r = 0; r < 4; ++r) {
    for (int64_t c = 0; c < 3; ++c) EXPECT_EQ(quarters.at(r, c), 0.25F);
  }
}

TEST_P(KernelsTest, SoftmaxOverTextWhereNothingIsLeftIsZero) {
  std::vector<float> bias(2 * 5);
  for (std::size_t t = 0; t < 5; ++t) bias[t] = -kInfinity;
  const auto weights = softmax(2, random(2 * 5, 20), bias);
  for (int64_t c = 0; c < 20; ++c) {
    float sum = 0;
    for (int64_t t = 0; t < 5; ++t) {
      EXPECT_EQ(weights.at(t, c), 0);
      sum += weights.at(5 + t, c);
    }
    EXPECT_NEAR(sum, 1, 1e-6);
  }
}

TEST_P(KernelsTest, GatesByGeluToAFewUnitsInTheLastPlace) {
  for (const int64_t columns : {1, 7, 32, 61}) {
    const int64_t rows = 3, step = columns + 5;
    auto hidden = random(rows, step), gates = random(rows, step), out = random(rows, step);
    for (auto& each : gates.data) each *= 4;
    gates.data[0] = 0;
    const auto untouched = out.data[static_cast<std::size_t>(columns)];
    kernels_.gate(rows, columns, {hidden.data.data(), step}, {gates.data.data(), step},
                  {out.data.data(), step});
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < columns; ++c) {
        const double x = gates.at(r, c), gelu = x * std::erfc(-x / std::numbers::sqrt2) / 2;
        const double expected = hidden.at(r, c) * gelu;
        // For negative x, too: of the result, not of x; e^-x²/2 is as exact as its exponent.
        EXPECT_NEAR(out.at(r, c), expected, (1e-6 + 2e-7 * x * x) * std::abs(expected) + 1e-36)
            << x;
      }
    }
    EXPECT_EQ(out.data[static_cast<std::size_t>(columns)], untouched);
  }
}

TEST_P(KernelsTest, GatesByGeluAtTheEnds) {
  float hidden[] = {2, 2, 2, 2}, out[4];
  float gates[] = {kInfinity, 100, -100, std::numeric_limits<float>::quiet_NaN()};
  kernels_.gate(1, 4, {hidden, 4}, {gates, 4}, {out, 4});
  EXPECT_EQ(out[0], kInfinity);
  EXPECT_EQ(out[1], 200);
  EXPECT_EQ(out[2], 0);
  EXPECT_TRUE(std::isnan(out[3]));
}

INSTANTIATE_TEST_SUITE_P(Cpu, KernelsTest, ::testing::ValuesIn(available_kernels()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace xattn::cpu
