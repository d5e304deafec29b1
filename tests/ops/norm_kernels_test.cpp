// The loops of a group norm, for every kind of processor that this one can stand for, against the
// definition in double precision.

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "ops/cpu/kernels.h"

namespace xattn::cpu {
namespace {

using Numbers = std::vector<float>;

class NormKernelsTest : public ::testing::TestWithParam<const Kernels*> {
 protected:
  const Kernels& kernels_ = *GetParam();
  std::mt19937 random_{12};

  Numbers random(int64_t count, float scale = 1, float mean = 0) {
    std::normal_distribution<float> normal(mean, scale);
    Numbers result(static_cast<std::size_t>(count));
    for (auto& each : result) each = normal(random_);
    return result;
  }
};

std::size_t index(int64_t i) {
  return static_cast<std::size_t>(i);
}

double normalized(double x, double mean, double scale, double shift, bool silu) {
  const auto value = (x - mean) * scale + shift;
  return silu ? value / (1 + std::exp(-value)) : value;
}

TEST_P(NormKernelsTest, AddsTheMomentsOfColumns) {
  for (const int64_t columns : {1, 7, 16, 33, 520, 1100}) {
    for (const int64_t rows : {0, 1, 7, 8, 75, 300}) {
      for (const int64_t more : {0, 3}) {  // rows that follow each other, or not
        const auto step = columns + more;
        auto x = random(rows * step, 1, 100);
        const auto near = random(columns, 1, 100);
        std::vector<double> sums(index(columns + 1), 5), squares = sums;
        kernels_.add_moments(rows, columns, {x.data(), step}, near.data(), sums.data(),
                             squares.data());
        for (int64_t c = 0; c <= columns; ++c) {
          double sum = 5, square = 5;
          for (int64_t r = 0; c < columns && r < rows; ++r) {
            const double difference = double{x[index(r * step + c)]} - near[index(c)];
            sum += difference;
            square += difference * difference;
          }
          EXPECT_NEAR(sums[index(c)], sum, 1e-5 * (1 + static_cast<double>(rows)));
          EXPECT_NEAR(squares[index(c)], square, 1e-5 * square);
        }
      }
    }
  }
}

TEST_P(NormKernelsTest, AddsTheMomentsOfWhatLiesSideBySide) {
  for (const int64_t count : {0, 1, 7, 16, 33, 64, 261, 4096, 10007}) {
    const auto x = random(count, 1, 100);
    double sum = 5, square = 5, exact_sum = 5, exact_square = 5;
    kernels_.add_moments_alike(count, x.data(), 100.5F, &sum, &square);
    for (const auto each : x) {
      exact_sum += double{each} - 100.5;
      exact_square += (double{each} - 100.5) * (double{each} - 100.5);
    }
    EXPECT_NEAR(sum, exact_sum, 1e-6 * exact_square);
    EXPECT_NEAR(square, exact_square, 1e-6 * exact_square);
  }
}

TEST_P(NormKernelsTest, NormalizesEachColumnAndNothingBesideIt) {
  for (const int64_t columns : {1, 7, 16, 33, 100}) {
    for (const int64_t rows : {0, 1, 3, 4, 9}) {
      for (const int64_t more : {0, 2}) {
        const auto step = columns + more;
        auto x = random(rows * step, 4);
        const auto mean = random(columns), scale = random(columns, 9), shift = random(columns);
        for (const bool silu : {false, true}) {
          Numbers out(index((rows + 1) * step), 7);
          kernels_.normalize(rows, columns, {x.data(), step},
                             {mean.data(), scale.data(), shift.data(), silu}, {out.data(), step});
          for (int64_t r = 0; r <= rows; ++r) {
            for (int64_t c = 0; c < step; ++c) {
              const auto found = out[index(r * step + c)];
              if (r == rows || c >= columns) {
                EXPECT_EQ(found, 7);
                continue;
              }
              const auto i = index(c);
              const auto exact =
                  normalized(x[index(r * step + c)], mean[i], scale[i], shift[i], silu);
              EXPECT_NEAR(found, exact, 2e-6 * (1 + std::abs(exact) + std::abs(scale[i])));
            }
          }
        }
      }
    }
  }
}

TEST_P(NormKernelsTest, NormalizesAlikeWhatLiesSideBySide) {
  const float mean = 2, scale = -3, shift = 0.5;
  for (const int64_t count : {0, 1, 7, 16, 33, 100, 261}) {
    const auto x = random(count);
    for (const bool silu : {false, true}) {
      Numbers out(index(count + 1), 7);
      kernels_.normalize_alike(count, x.data(), {&mean, &scale, &shift, silu}, out.data());
      for (std::size_t i = 0; i < x.size(); ++i) {
        EXPECT_NEAR(out[i], normalized(x[i], mean, scale, shift, silu), 5e-6);
      }
      EXPECT_EQ(out.back(), 7);
    }
  }
}

// As by the definition in floats: far below zero it is -0 or nearly, far above the number itself.
TEST_P(NormKernelsTest, SiluOfLargeNumbersDoesNotOverflow) {
  constexpr auto kInfinity = std::numeric_limits<float>::infinity();
  constexpr auto kNaN = std::numeric_limits<float>::quiet_NaN();
  const Numbers x = {-3e38F, -1e4F, -200,  -90,       -88,  -80,        80, 90,
                     200,    1e4F,  3e38F, kInfinity, kNaN, -kInfinity, 0,  -0.0F};
  const float zero = 0, one = 1;
  Numbers out(x.size(), 7);
  kernels_.normalize_alike(16, x.data(), {&zero, &one, &zero, true}, out.data());
  for (std::size_t i = 0; i < 5; ++i) EXPECT_NEAR(out[i], 0, 1e-30);
  EXPECT_NEAR(out[5] / (-80 * std::exp(-80.0)), 1, 1e-5);
  for (std::size_t i = 6; i < 12; ++i) EXPECT_EQ(out[i], x[i]);
  EXPECT_TRUE(std::isnan(out[12]));
  EXPECT_TRUE(std::isnan(out[13]));  // -∞ · 0, as LibTorch's -∞ / ∞
  EXPECT_EQ(out[14], 0);
  EXPECT_EQ(out[15], 0);
}

INSTANTIATE_TEST_SUITE_P(Cpu, NormKernelsTest, ::testing::ValuesIn(available_kernels()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace xattn::cpu
