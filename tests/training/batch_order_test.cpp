#include "xattn/training/batch_order.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/tensor.h>

#include <set>

#include "support/errors.h"
#include "support/model_golden.h"

namespace xattn::testing {
namespace {

/// The pictures of the next `count` turns.
std::vector<int64_t> pictures_of(BatchOrder& order, int64_t count) {
  std::vector<int64_t> pictures;
  while (static_cast<int64_t>(pictures.size()) < count) {
    for (const auto& turn : order.next()) pictures.push_back(turn.picture);
  }
  pictures.resize(static_cast<size_t>(count));
  return pictures;
}

class BatchOrderParity : public ::testing::TestWithParam<ModelCase> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(BatchOrderParity);
INSTANTIATE_TEST_SUITE_P(Torch, BatchOrderParity,
                         ::testing::ValuesIn(model_cases("training_data", "DistributedSampler")),
                         model_case_name);

TEST_P(BatchOrderParity, OrderIsThatOfPython) {
  const auto& arguments = GetParam().arguments;
  const auto expected = load_golden(GetParam()).outputs.at("order");
  for (const int64_t batch_size : {1, 3, 64}) {
    BatchOrder order(arguments.at("size"), batch_size, arguments.at("seed").get<uint64_t>());
    EXPECT_TRUE(at::equal(at::tensor(pictures_of(order, expected.numel())), expected));
  }
}

TEST_P(BatchOrderParity, AnotherSeedIsFound) {
  const auto& arguments = GetParam().arguments;
  const auto expected = load_golden(GetParam()).outputs.at("order");
  if (arguments.at("size") == 1) return;
  BatchOrder order(arguments.at("size"), 1, arguments.at("seed").get<uint64_t>() + 100);
  EXPECT_FALSE(at::equal(at::tensor(pictures_of(order, expected.numel())), expected));
}

TEST(BatchOrder, AnEpochHasEachPictureOnce) {
  BatchOrder order(10, 4, 1);
  const auto pictures = pictures_of(order, 30);
  for (int epoch = 0; epoch < 3; ++epoch) {
    const std::set<int64_t> seen(pictures.begin() + 10 * epoch, pictures.begin() + 10 * epoch + 10);
    EXPECT_EQ(seen.size(), 10u);
  }
}

TEST(BatchOrder, BatchesGoOnOverTheEndOfAnEpoch) {
  BatchOrder order(5, 4, 1);
  order.next();
  EXPECT_EQ(order.place(), (DataPlace{0, 4}));
  const auto turns = order.next();
  ASSERT_EQ(turns.size(), 4u);
  EXPECT_EQ(turns[0].place, (DataPlace{0, 4}));
  EXPECT_EQ(turns[1].place, (DataPlace{1, 0}));
  EXPECT_EQ(order.place(), (DataPlace{1, 3}));
  BatchOrder small(2, 7, 1);  // a batch may have a picture more than once
  EXPECT_EQ(small.next().size(), 7u);
  EXPECT_EQ(small.place(), (DataPlace{3, 1}));
}

TEST(BatchOrder, GoesOnFromAnyPlace) {
  BatchOrder whole(13, 4, 7);
  for (int i = 0; i < 20; ++i) {
    BatchOrder other(13, 4, 7);
    other.seek(whole.place());
    const auto expected = whole.next(), got = other.next();
    for (size_t j = 0; j < expected.size(); ++j) {
      EXPECT_EQ(got[j].picture, expected[j].picture);
      EXPECT_EQ(got[j].place, expected[j].place);
      EXPECT_EQ(got[j].seed, expected[j].seed);
    }
  }
}

TEST(BatchOrder, EachTurnHasASeedOfItsOwn) {
  std::set<uint64_t> seeds;
  for (const uint64_t seed : {0, 1}) {
    BatchOrder order(50, 10, seed);
    for (int i = 0; i < 20; ++i) {
      for (const auto& turn : order.next()) seeds.insert(turn.seed);
    }
  }
  EXPECT_EQ(seeds.size(), 400u);
}

TEST(BatchOrder, ATurnsGeneratorBeginsAnewEachTime) {
  const PictureTurn turn{0, {}, 5};
  auto first = turn.generator(), second = turn.generator();
  const auto drawn = at::rand({3}, first);
  EXPECT_TRUE(at::equal(drawn, at::rand({3}, second)));
  EXPECT_FALSE(at::equal(drawn, at::rand({3}, first)));
}

TEST(BatchOrder, RefusesWhatItCannotUse) {
  expect_value_error([] { BatchOrder(0, 1, 0); }, "[BatchOrder] size: expected 1 or more, got 0");
  expect_value_error([] { BatchOrder(1, 0, 0); },
                     "[BatchOrder] batch_size: expected 1 or more, got 0");
  BatchOrder order(3, 1, 0);
  for (const auto& place : {DataPlace{-1, 0}, DataPlace{0, -1}, DataPlace{0, 3}}) {
    expect_value_error_with([&] { order.seek(place); },
                            "[BatchOrder] place: expected an epoch of 0 or more and an index from "
                            "0 to 2, got epoch ");
  }
}

}  // namespace
}  // namespace xattn::testing
