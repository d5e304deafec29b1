#include "xattn/training/caption_dropout.h"

#include <gtest/gtest.h>
#include <torch/utils.h>

#include "support/errors.h"
#include "support/parity.h"
#include "training/small_models.h"

namespace xattn::testing {
namespace {

TEST(CaptionDropout, TheProbabilityIsKeptAndEveryCaptionDraws) {
  const auto dropped = draw_caption_dropout(20000, 0.1, generator_of(1));
  EXPECT_NEAR(dropped.to(torch::kFloat).mean().item<float>(), 0.1, 0.01);
  auto used = generator_of(2), other = generator_of(2);
  EXPECT_FALSE(draw_caption_dropout(7, 0, used).any().item<bool>());
  EXPECT_TRUE(draw_caption_dropout(7, 1, other).all().item<bool>());
  EXPECT_TRUE(is_same("next draw", torch::rand({3}, used), torch::rand({3}, other)));
}

TEST(CaptionDropout, DroppedCaptionsAreEmptyAndTheOthersKept) {
  const auto ids = torch::arange(12).view({3, 4});
  const auto empty = torch::tensor({48, 49, 49, 49});
  const auto dropped = torch::tensor({false, true, false});
  const auto actual = drop_captions(ids, dropped, empty);
  EXPECT_TRUE(is_same("kept", actual[0], ids[0]));
  EXPECT_TRUE(is_same("dropped", actual[1], empty));
  EXPECT_TRUE(is_same("kept", actual[2], ids[2]));
  const auto features = drawn({3, 4, 5}, 1), none = drawn({1, 4, 5}, 2);
  EXPECT_TRUE(is_same("dropped", drop_captions(features, dropped, none)[1], none[0]));
}

TEST(CaptionDropout, WhatDoesNotFitIsRefused) {
  expect_value_error([] { draw_caption_dropout(3, 1.5); },
                     "[draw_caption_dropout] probability: expected 0 to 1, got 1.5");
  const auto ids = torch::arange(12).view({3, 4});
  expect_value_error(
      [&] { drop_captions(ids, torch::zeros({3}, torch::kBool), torch::zeros({3}, torch::kLong)); },
      "[drop_captions] empty: expected int64 [4], got int64 [3]");
  expect_value_error_with([&] { drop_captions(ids, torch::zeros({2}, torch::kBool), ids[0]); },
                          "expected [3]");
}

}  // namespace
}  // namespace xattn::testing
