#include "xattn/training/optimizer_state.h"

#include <gtest/gtest.h>
#include <torch/utils.h>

#include "support/errors.h"
#include "support/parity.h"
#include "training/small_models.h"
#include "xattn/training/adamw.h"

namespace xattn::testing {
namespace {

StateDict two_parameters() {
  StateDict parameters;
  parameters.insert("weight", drawn({4, 3}, 1).requires_grad_(true));
  parameters.insert("bias", drawn({4}, 2).requires_grad_(true));
  return parameters;
}

void train(torch::optim::Optimizer& optimizer, const StateDict& parameters, uint64_t from,
           uint64_t to) {
  for (auto step = from; step < to; ++step) {
    for (const auto& item : parameters)
      item.value().mutable_grad() = drawn(item.value().sizes(), 100 + step);
    optimizer.step();
  }
}

class OptimizerState : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Amsgrad, OptimizerState, ::testing::Bool());

TEST_P(OptimizerState, ATrainingGoesOnToTheSameBits) {
  const auto options = torch::optim::AdamWOptions(0.01).amsgrad(GetParam());
  const auto parameters = two_parameters();
  AdamW optimizer(parameters.values(), options);
  train(optimizer, parameters, 0, 3);

  StateDict saved, again;
  for (const auto& item : optimizer_state(optimizer, parameters))
    saved.insert(item.key(), item.value().clone());
  EXPECT_EQ(saved.size(), GetParam() ? 8 : 6);
  EXPECT_EQ(saved["weight.step"].item<float>(), 3);
  for (const auto& item : parameters)
    again.insert(item.key(), item.value().detach().clone().requires_grad_(true));
  train(optimizer, parameters, 3, 6);

  AdamW other(again.values(), options);
  load_optimizer_state(other, again, saved);
  train(other, again, 3, 6);
  for (const auto& item : parameters)
    EXPECT_TRUE(is_same(item.key(), again[item.key()].detach(), item.value().detach()));

  AdamW forgetful(again.values(), options);
  train(forgetful, again, 6, 7);
  train(optimizer, parameters, 6, 7);
  EXPECT_FALSE(is_near("weight", again["weight"].detach(), parameters["weight"].detach(), 1e-4));
}

TEST(OptimizerStateDict, WhatDoesNotFitIsRefusedAndChangesNothing) {
  const auto parameters = two_parameters();
  AdamW optimizer(parameters.values());
  EXPECT_TRUE(optimizer_state(optimizer, parameters).is_empty());
  train(optimizer, parameters, 0, 2);
  const auto refused = [&](const std::string& key, const at::Tensor& value,
                           const std::string& message) {
    StateDict state;
    for (const auto& item : optimizer_state(optimizer, parameters))
      if (item.key() != key) state.insert(item.key(), item.value());
    if (value.defined()) state.insert(key, value);
    try {
      load_optimizer_state(optimizer, parameters, state);
      ADD_FAILURE() << "no error; expected: " << message;
    } catch (const StateDictError& error) {
      EXPECT_EQ(std::string(error.what()), "[optimizer_state] " + message);
    }
  };
  refused("weight.exp_avg", {}, "weight.exp_avg: missing");
  refused("weight.exp_avg", torch::zeros({4}),
          "weight.exp_avg: expected float32 [4, 3], got float32 [4]");
  refused("bias.step", torch::tensor(1.5F),
          "bias.step: expected a whole number from 1 to 16777216, got 1.5");
  refused("bias.max_exp_avg_sq", torch::zeros({4}),
          "bias.max_exp_avg_sq: unexpected without amsgrad");
  refused("other.exp_avg", torch::zeros({4}), "other.exp_avg: unexpected");
  EXPECT_EQ(optimizer_state(optimizer, parameters)["bias.step"].item<float>(), 2);

  expect_value_error(
      [&] { optimizer_state(optimizer, two_parameters()); },
      "[optimizer_state] weight: expected a parameter of the optimizer, got another");
  StateDict one;
  one.insert("weight", parameters["weight"]);
  expect_value_error([&] { optimizer_state(optimizer, one); },
                     "[optimizer_state] parameters: expected all of the optimizer's, got 1 less");
}

TEST(OptimizerStateDict, ItIsOfLibTorchsOwnToo) {
  const auto parameters = two_parameters();
  torch::optim::AdamW torchs(parameters.values());
  train(torchs, parameters, 0, 2);
  const auto again = two_parameters();
  AdamW ours(again.values());
  load_optimizer_state(ours, again, optimizer_state(torchs, parameters));
  EXPECT_TRUE(is_same("exp_avg", optimizer_state(ours, again)["bias.exp_avg"],
                      optimizer_state(torchs, parameters)["bias.exp_avg"]));
}

}  // namespace
}  // namespace xattn::testing
