#include "xattn/training/lr_scheduler.h"

#include <gtest/gtest.h>

#include <limits>

#include "support/errors.h"
#include "support/model_golden.h"

namespace xattn::testing {
namespace {

LRSchedulerConfig config_of(const nlohmann::json& arguments) {
  LRSchedulerConfig config;
  config.type = lr_scheduler_type(arguments["name"].get<std::string>());
  config.num_warmup_steps = arguments.value("num_warmup_steps", config.num_warmup_steps);
  config.num_training_steps = arguments.value("num_training_steps", config.num_training_steps);
  config.num_cycles = arguments.value("num_cycles", config.num_cycles);
  config.power = arguments.value("power", config.power);
  if (arguments.contains("step_rules"))
    set_step_rules(config, arguments["step_rules"].get<std::string>());
  return config;
}

/// The most that a step's rate differs from Python's, as a part of the first rate.
double worst(const ModelCase& model_case, const LRSchedulerConfig& config) {
  const auto lr = model_case.arguments["lr"].get<double>();
  const auto rates = load_golden(model_case).outputs.at("rates");
  double worst = 0;
  for (int64_t step = 0; step < rates.size(0); ++step)
    worst = std::max(worst,
                     std::abs(learning_rate(config, step, lr) - rates[step].item<double>()) / lr);
  return worst;
}

class LRSchedulerParity : public ::testing::TestWithParam<ModelCase> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(LRSchedulerParity);
INSTANTIATE_TEST_SUITE_P(Diffusers, LRSchedulerParity,
                         ::testing::ValuesIn(model_cases("training", "get_scheduler")),
                         model_case_name);

TEST_P(LRSchedulerParity, EveryStepsRateIsThatOfPython) {
  // Two operations' rounding, should a compiler fuse them.
  EXPECT_LE(worst(GetParam(), config_of(GetParam().arguments)),
            4 * std::numeric_limits<double>::epsilon());
}

TEST_P(LRSchedulerParity, OtherNumbersGiveOtherRates) {
  auto config = config_of(GetParam().arguments);
  if (config.type == LRSchedulerType::kConstant) config.type = LRSchedulerType::kLinear;
  ++config.num_warmup_steps;
  ++config.num_warmup_steps;
  config.num_training_steps += 3;
  config.last_multiplier *= 2;
  EXPECT_GT(worst(GetParam(), config), 1e-3);
}

TEST(LRScheduler, WhatCannotBeIsRefused) {
  const auto lr = [](const LRSchedulerConfig& config, double lr = 0.1) {
    return [=] { lr_multiplier(config, 0, lr); };
  };
  expect_value_error([] { lr_scheduler_type("cosine_"); },
                     "[lr_scheduler] name: expected constant, constant_with_warmup, linear, "
                     "cosine, cosine_with_restarts, polynomial, piecewise_constant, got "
                     "\"cosine_\"");
  expect_value_error(lr({.type = LRSchedulerType::kCosine}),
                     "[lr_scheduler] num_training_steps: expected 1 or more, got 0");
  expect_value_error(lr({.num_warmup_steps = -1}),
                     "[lr_scheduler] num_warmup_steps: expected 0 or more, got -1");
  expect_value_error_with(lr({.type = LRSchedulerType::kPolynomial, .num_training_steps = 9}, 1e-8),
                          "above 1e-07");
  expect_value_error([] { lr_multiplier({}, -1, 1); },
                     "[lr_scheduler] step: expected 0 or more, got -1");
}

TEST(LRScheduler, RulesAreReadOrRefused) {
  LRSchedulerConfig config{.type = LRSchedulerType::kPiecewiseConstant};
  set_step_rules(config, "0.5:20,2:10,0.01");
  EXPECT_EQ(lr_multiplier(config, 9, 1), 2);
  EXPECT_EQ(lr_multiplier(config, 10, 1), 0.5);
  EXPECT_EQ(lr_multiplier(config, 20, 1), 0.01);
  set_step_rules(config, "0.25");
  EXPECT_EQ(lr_multiplier(config, 0, 1), 0.25);
  for (const auto* text : {"", "1:10", "1:10,", "a:10,1", "1:x,1", "1:10:3,1", "1,2", "1:10,1 2"})
    EXPECT_THROW(set_step_rules(config, text), ValueError) << text;
  EXPECT_EQ(config.last_multiplier, 0.25) << "what is refused changes nothing";
}

}  // namespace
}  // namespace xattn::testing
