// Attention to blocks of keys, for every kind of processor that this one can stand for, against
// sums in double precision; without torch, as kernels_test.cpp.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "matrix_rows.h"
#include "ops/cpu/kernels.h"

namespace xattn::cpu {
namespace {

class AttentionKernelsTest : public ::testing::TestWithParam<const Kernels*> {
 protected:
  const Kernels& kernels_ = *GetParam();
  std::mt19937 random_{11};

  Floats random(int64_t rows, int64_t columns) {
    std::normal_distribution<float> normal(0, 1);
    Floats result{rows, columns};
    for (auto& each : result.data) each = normal(random_);
    return result;
  }
};

/// Attention to some keys at once. What is not written holds NaN, so that it shows; what lies
/// beside the output must stay.
Floats attend(const Kernels& kernels, const Floats& query, const Floats& key, const Floats& value,
              float scale, int64_t some) {
  const auto width = query.columns, panel = kernels.panel,
             filled = (query.rows + panel - 1) / panel * panel;
  std::vector<float> state(static_cast<std::size_t>(filled * attention_state(width)), kNaN),
      scratch(static_cast<std::size_t>(attention_scratch(some, width, panel)) + 1, kNaN);
  scratch.back() = 7;
  const auto rows_of = [width](const Floats& matrix, int64_t row) {
    return Matrix{const_cast<float*>(matrix.data.data()) + row * width, width};
  };
  kernels.begin_attention(query.rows, width, scale, rows_of(query, 0), state.data());
  for (int64_t k = 0; k < key.rows; k += some) {
    kernels.attend(query.rows, std::min(some, key.rows - k), width, rows_of(key, k),
                   rows_of(value, k), scratch.data(), state.data());
  }
  Floats wider{query.rows, width + 3};
  kernels.finish_attention(query.rows, width, state.data(), {wider.data.data() + 1, width + 3});
  EXPECT_EQ(scratch.back(), 7);
  Floats out{query.rows, width};
  for (int64_t r = 0; r < out.rows; ++r) {
    EXPECT_EQ(wider.at(r, 0) + wider.at(r, width + 1) + wider.at(r, width + 2), 0);
    for (int64_t c = 0; c < width; ++c) out.at(r, c) = wider.at(r, c + 1);
  }
  return out;
}

/// Whether each output is the sum of values with weights 2^(query · key · scale) over their sum.
void expect_attention(const Floats& out, const Floats& query, const Floats& key,
                      const Floats& value, float scale, double tolerance) {
  const auto scores = product(query.transposed(), key.transposed());
  for (int64_t r = 0; r < query.rows; ++r) {
    double largest = -kInfinity, total = 0;
    for (int64_t k = 0; k < key.rows; ++k) largest = std::max(largest, scale * scores.at(r, k));
    std::vector<double> sums(static_cast<std::size_t>(query.columns));
    for (int64_t k = 0; k < key.rows; ++k) {
      const auto weight = std::exp2(scale * scores.at(r, k) - largest);
      total += weight;
      for (int64_t c = 0; c < query.columns; ++c) {
        sums[static_cast<std::size_t>(c)] += weight * value.at(k, c);
      }
    }
    for (int64_t c = 0; c < query.columns; ++c) {
      ASSERT_NEAR(out.at(r, c), sums[static_cast<std::size_t>(c)] / total, tolerance)
          << query.rows << " × " << key.rows << " × " << query.columns << " at " << r << ", " << c;
    }
  }
}

TEST_P(AttentionKernelsTest, AttendsWithEveryRemainder) {
  for (const auto& [queries, keys, width, some] : {std::array<int64_t, 4>{1, 1, 1, 1},
                                                   {5, 3, 2, 48},
                                                   {33, 100, 40, 48},
                                                   {70, 257, 80, 96},
                                                   {24, 31, 64, 24},
                                                   {97, 65, 17, 40},
                                                   {13, 50, 160, 48},
                                                   {40, 41, 512, 48},
                                                   {9, 20, 333, 7}}) {
    const auto query = random(queries, width), key = random(keys, width),
               value = random(keys, width);
    const auto scale = 1.4427F / std::sqrt(float(width));
    expect_attention(attend(kernels_, query, key, value, scale, some), query, key, value, scale,
                     3e-6);
  }
}

TEST_P(AttentionKernelsTest, AttendsWithLargeScores) {
  // Of whole numbers, so that scores are exact: their differences are 64 and more, or nothing.
  Floats query{50, 8}, key{130, 8};
  for (auto* matrix : {&query, &key}) {
    for (auto& each : matrix->data) each = float(random_() % 7) - 3;
  }
  const auto value = random(130, 8);
  for (const float scale : {64.0F, -64.0F, 16384.0F}) {
    expect_attention(attend(kernels_, query, key, value, scale, 48), query, key, value, scale,
                     1e-6);
  }
}

TEST_P(AttentionKernelsTest, AttendsWithInfinityAndNaNAsLibTorch) {
  auto query = random(40, 16), key = random(60, 16);
  for (auto* matrix : {&query, &key}) {
    for (auto& each : matrix->data) each = std::abs(each);
  }
  const auto value = random(60, 16);
  const auto is_nan = [&](const Floats& q, const Floats& k, const Floats& v, int64_t row) {
    return std::isnan(attend(kernels_, q, k, v, 1, 24).at(row, 3));
  };
  for (const float bad : {kNaN, std::bit_cast<float>(~0U), kInfinity}) {
    auto changed = query;
    changed.at(7, 2) = bad;  // its own row alone
    for (int64_t row = 0; row < 40; ++row) EXPECT_EQ(is_nan(changed, key, value, row), row == 7);
    changed = key;
    changed.at(50, 2) = bad;
    EXPECT_TRUE(is_nan(query, changed, value, 0) && is_nan(query, changed, value, 39));
    changed = value;
    changed.at(50, 3) = std::isnan(bad) ? bad : kNaN;
    EXPECT_TRUE(is_nan(query, key, changed, 0) && is_nan(query, key, changed, 39));
  }
  // A key of -∞ has no weight, in a block of its own or not; where there is no other, nothing has.
  auto some = key;
  for (int64_t k = 10; k < 40; ++k) some.at(k, 2) = -kInfinity;
  const auto out = attend(kernels_, query, some, value, 1, 8);
  Floats left{30, 16}, left_value{30, 16};
  for (int64_t k = 0; k < 30; ++k) {
    for (int64_t c = 0; c < 16; ++c) {
      left.at(k, c) = key.at(k < 10 ? k : k + 30, c);
      left_value.at(k, c) = value.at(k < 10 ? k : k + 30, c);
    }
  }
  expect_attention(out, query, left, left_value, 1, 3e-6);
  for (auto& each : some.data) each = -kInfinity;
  for (const auto each : attend(kernels_, query, some, value, 1, 24).data) EXPECT_EQ(each, 0);
}

INSTANTIATE_TEST_SUITE_P(Cpu, AttentionKernelsTest, ::testing::ValuesIn(available_kernels()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace xattn::cpu
