#include "xattn/ops/attention.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <limits>

#include "support/parity.h"

namespace xattn {
namespace {

using testing::is_same;

constexpr auto kInfinity = std::numeric_limits<double>::infinity();

TEST(AttentionWeights, AreTheSoftmaxOfScoresOverTheDivisor) {
  const auto query = torch::tensor({{1.0, 0.0}}, torch::kDouble);
  const auto key = torch::tensor({{2.0, 0.0}, {0.0, 5.0}}, torch::kDouble);
  const auto weights = attention_weights(query, key, 2.0);
  const auto e = std::exp(1.0);  // scores 1 and 0
  EXPECT_TRUE(testing::is_near("weights", weights,
                               torch::tensor({{e / (e + 1), 1 / (e + 1)}}, torch::kDouble), 1e-15));
}

TEST(AttentionWeights, SumToOneWhereAKeyIsLeftAndToZeroWhereNoneIs) {
  const auto query = torch::randn({2, 3, 4}), key = torch::randn({2, 5, 4});
  auto mask = torch::ones({2, 1, 5}, torch::kBool);
  mask[0] = false;
  const auto sums = attention_weights(query, key, 2.0, mask).sum(-1);
  EXPECT_TRUE(is_same("masked rows", sums[0], torch::zeros({3})));
  EXPECT_TRUE(testing::is_near("open rows", sums[1], torch::ones({3}), 1e-6));
}

TEST(AttentionWeights, ABooleanMaskIsAnAdditiveMaskOfMinusInfinity) {
  const auto query = torch::randn({3, 4}), key = torch::randn({5, 4});
  const auto mask = torch::tensor({true, false, true, true, false});
  const auto additive = torch::zeros({5}).masked_fill(mask.logical_not(), -kInfinity);
  EXPECT_TRUE(is_same("weights", attention_weights(query, key, 2.0, mask),
                      attention_weights(query, key, 2.0, additive)));
}

TEST(AttentionWeights, OfNoKeysAreEmpty) {
  EXPECT_EQ(attention_weights(torch::randn({3, 4}), torch::randn({0, 4}), 2.0).sizes(),
            (std::vector<int64_t>{3, 0}));
}

TEST(AttentionWeights, HaveFiniteGradientsWhereAllKeysAreMasked) {
  const auto query = torch::randn({3, 4}, torch::requires_grad());
  const auto mask = torch::zeros({5}, torch::kBool);
  attention_weights(query, torch::randn({5, 4}), 2.0, mask).sum().backward();
  EXPECT_TRUE(is_same("gradient", query.grad(), torch::zeros({3, 4})));
}

}  // namespace
}  // namespace xattn
