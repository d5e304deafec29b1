#include "xattn/training/optimizer_step.h"

#include <gtest/gtest.h>
#include <torch/optim/sgd.h>
#include <torch/utils.h>

#include <limits>

#include "support/errors.h"
#include "support/parity.h"
#include "training/small_models.h"
#include "xattn/nn/linear.h"
#include "xattn/training/adamw.h"

namespace xattn::testing {
namespace {

at::Tensor loss_of(Linear& model, uint64_t seed) {
  return model(drawn({8, 4}, seed)).square().mean();
}

TEST(OptimizerStep, BatchesAreAveragedToOneStep) {
  torch::manual_seed(1);
  Linear one(4, 3);
  Linear other(std::dynamic_pointer_cast<LinearImpl>(one->clone()));
  torch::optim::SGD whole(one->parameters(), 0.1), parts(other->parameters(), 0.1);
  OptimizerStep step(whole, {.max_grad_norm = std::nullopt});
  OptimizerStep two(parts, {.gradient_accumulation_steps = 2, .max_grad_norm = std::nullopt});
  step((loss_of(one, 1) + loss_of(one, 2)) / 2);
  EXPECT_FALSE(two(loss_of(other, 1)).stepped);
  EXPECT_EQ(two.progress().accumulated, 1);
  EXPECT_TRUE(two(loss_of(other, 2)).stepped);
  EXPECT_EQ(two.progress().step, 1);
  EXPECT_EQ(two.progress().accumulated, 0);
  EXPECT_TRUE(is_near("weight", other->weight.detach(), one->weight.detach(), 1e-6));
}

TEST(OptimizerStep, GradientsAreClippedAndTheirNormIsToldBeforeThat) {
  torch::manual_seed(1);
  Linear model(4, 3);
  torch::optim::SGD optimizer(model->parameters(), 1.0);
  OptimizerStep step(optimizer, {.max_grad_norm = 0.01});
  const auto before = model->weight.detach().clone(), bias = model->bias.detach().clone();
  const auto result = step(loss_of(model, 1));
  EXPECT_GT(*result.grad_norm, 0.01);
  const auto moved =
      ((model->weight - before).square().sum() + (model->bias - bias).square().sum());
  EXPECT_NEAR(moved.sqrt().item<double>(), 0.01, 1e-5);
}

TEST(OptimizerStep, EachGroupsRateGoesByTheSchedule) {
  Linear first(4, 3), second(3, 2);
  std::vector<torch::optim::OptimizerParamGroup> groups;
  groups.emplace_back(first->parameters());
  groups.emplace_back(second->parameters(), std::make_unique<torch::optim::AdamWOptions>(0.5));
  AdamW optimizer(groups, torch::optim::AdamWOptions(0.1));
  const OptimizerStepOptions options{
      .lr_scheduler = {.type = LRSchedulerType::kConstantWithWarmup, .num_warmup_steps = 4}};
  OptimizerStep step(optimizer, options);
  const auto rate = [&](size_t group) {
    return optimizer.param_groups()[group].options().get_lr();
  };
  EXPECT_EQ(rate(0), 0) << "the first step of a warm-up is of rate 0, as in Python";
  for (const auto expected : {0.0, 0.25, 0.5, 0.75, 1.0, 1.0}) {
    EXPECT_DOUBLE_EQ(rate(1), 0.5 * expected);
    const auto result = step(second(first(drawn({8, 4}, 1))).square().mean());
    EXPECT_DOUBLE_EQ(result.learning_rate, 0.1 * expected);
  }
  // A training that goes on.
  AdamW again(groups, torch::optim::AdamWOptions(0.1));
  for (auto& group : again.param_groups()) group.options().set_lr(0.1);
  OptimizerStep other(again, options);
  other.set_progress({.step = 2});
  EXPECT_DOUBLE_EQ(again.param_groups()[0].options().get_lr(), 0.05);
  expect_value_error([&] { other.set_progress({.step = 1, .accumulated = 1}); },
                     "[OptimizerStep] accumulated: expected less than 1, got 1");
}

TEST(OptimizerStep, AveragesFollowTheSteps) {
  Linear model(4, 3);
  torch::optim::SGD optimizer(model->parameters(), 0.1);
  EMAModel ema(*model);
  OptimizerStep step(optimizer, {.gradient_accumulation_steps = 2});
  step.track(ema, *model);
  for (uint64_t seed = 0; seed < 5; ++seed) step(loss_of(model, seed));
  EXPECT_EQ(ema.optimization_step(), 2);
  EXPECT_FALSE(is_near("weight", ema.shadow_params()["weight"], model->weight.detach(), 1e-9));
}

TEST(OptimizerStep, WhatIsNotFiniteStopsBeforeWeightsChange) {
  Linear model(4, 3);
  torch::optim::SGD optimizer(model->parameters(), 0.1);
  OptimizerStep step(optimizer);
  step(loss_of(model, 1));
  const auto before = model->weight.detach().clone();
  const auto message = [&](const at::Tensor& loss) -> std::string {
    try {
      step(loss);
      return "no error";
    } catch (const Error& error) {
      return error.what();
    }
  };
  EXPECT_EQ(message(loss_of(model, 1) * std::numeric_limits<double>::quiet_NaN()),
            "[OptimizerStep] loss: expected a finite number at step 2, got nan");
  // √x has an infinite slope at 0.
  EXPECT_EQ(message((model->weight * 0).sqrt().sum())
                .rfind("[OptimizerStep] the norm of the gradients: expected a finite number at "
                       "step 2, got ",
                       0),
            0);
  EXPECT_TRUE(is_same("weight", model->weight.detach(), before));
  EXPECT_EQ(step.progress().step, 1);
  expect_value_error_with([&] { step(torch::ones({2})); }, "loss: expected []");
  expect_value_error_with([&] { OptimizerStep(optimizer, {.gradient_accumulation_steps = 0}); },
                          "1 or more, got 0");
  expect_value_error([&] { OptimizerStep(optimizer, {.max_grad_norm = 0.0}); },
                     "[OptimizerStep] max_grad_norm: expected above 0, got 0");
}

}  // namespace
}  // namespace xattn::testing
