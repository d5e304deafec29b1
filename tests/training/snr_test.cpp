#include "xattn/training/snr.h"

#include <gtest/gtest.h>
#include <torch/utils.h>

#include "support/errors.h"
#include "support/model_golden.h"
#include "support/parity.h"
#include "training/small_models.h"
#include "xattn/schedulers/scheduling_ddpm.h"

namespace xattn::testing {
namespace {

class SnrParity : public ::testing::TestWithParam<ModelCase> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SnrParity);
INSTANTIATE_TEST_SUITE_P(Diffusers, SnrParity,
                         ::testing::ValuesIn(model_cases("training", "compute_snr")),
                         model_case_name);

TEST_P(SnrParity, EveryTimestepsRatioIsThatOfPython) {
  const auto scheduler = training_scheduler(GetParam().directory.string());
  const auto expected = load_golden(GetParam()).outputs.at("snr");
  const auto timesteps = torch::arange(scheduler->num_train_timesteps());
  const auto actual = compute_snr(*scheduler, timesteps);
  // Each of its own size: they differ by eight powers of ten.
  const auto error = ((actual - expected).abs() / expected.clamp_min(1e-30)).max().item<float>();
  EXPECT_LE(error, 1e-6);
  const auto shifted = compute_snr(*scheduler, timesteps.flip(0));
  EXPECT_FALSE(is_near("snr", shifted, expected, 1e-3));
}

TEST(Snr, WhatCannotBeIsRefused) {
  const DDPMSchedulerConfig config;
  const DDPMScheduler scheduler(config);
  expect_value_error_with([&] { compute_snr(scheduler, torch::tensor({1000})); }, "timesteps");
  expect_value_error_with([&] { compute_snr(scheduler, torch::tensor({0.5})); }, "timesteps");
  expect_value_error_with(
      [&] {
        compute_snr(scheduler, torch::zeros({1, 1}, torch::kLong));
      },
      "expected [B]");
}

}  // namespace
}  // namespace xattn::testing
