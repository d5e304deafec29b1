#include "xattn/training/ema_model.h"

#include <gtest/gtest.h>
#include <torch/utils.h>

#include "support/errors.h"
#include "support/model_golden.h"
#include "support/parity.h"
#include "training/small_models.h"
#include "xattn/core/tensor_versions.h"

namespace xattn::testing {
namespace {

const std::vector<std::string> kNames = {"weight", "bias", "frozen"};

EMAModelConfig ema_config_of(const nlohmann::json& arguments) {
  EMAModelConfig config;
  config.decay = arguments.value("decay", config.decay);
  config.min_decay = arguments.value("min_decay", config.min_decay);
  config.update_after_step = arguments.value("update_after_step", config.update_after_step);
  config.use_ema_warmup = arguments.value("use_ema_warmup", config.use_ema_warmup);
  config.inv_gamma = arguments.value("inv_gamma", config.inv_gamma);
  config.power = arguments.value("power", config.power);
  return config;
}

/// The largest error of the averages after Python's steps, as a part of their scale; decays are
/// compared on the way.
double worst_after_steps(const ModelCase& model_case, const EMAModelConfig& config,
                         bool decays_too = true) {
  const auto golden = load_golden(model_case);
  StateDict parameters;
  for (const auto& name : kNames)
    parameters.insert(name,
                      golden.inputs.at("begin." + name).clone().requires_grad_(name != "frozen"));
  EMAModel ema(parameters, config);
  const auto decays = golden.outputs.at("decays");
  for (int64_t step = 1; step <= decays.size(0); ++step) {
    const torch::NoGradGuard no_grad;
    for (const auto& name : kNames) {
      parameters[name].copy_(golden.inputs.at("begin." + name) +
                             step * golden.inputs.at("change." + name));
    }
    ema.step(parameters.values());
    if (decays_too) {
      EXPECT_DOUBLE_EQ(*ema.cur_decay_value(), decays[step - 1].item<double>());
    }
  }
  EXPECT_EQ(ema.optimization_step(), decays.size(0));
  double worst = 0;
  for (const auto& name : kNames) {
    worst = std::max(
        worst,
        difference(ema.shadow_params()[name], golden.outputs.at("shadow." + name)).relative());
  }
  return worst;
}

class EMAModelParity : public ::testing::TestWithParam<ModelCase> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(EMAModelParity);
INSTANTIATE_TEST_SUITE_P(Diffusers, EMAModelParity,
                         ::testing::ValuesIn(model_cases("training", "EMAModel")), model_case_name);

TEST_P(EMAModelParity, DecaysAndAveragesAreThoseOfPython) {
  EXPECT_LE(worst_after_steps(GetParam(), ema_config_of(GetParam().arguments["config"])), 5e-7);
}

TEST_P(EMAModelParity, AnotherDecayGivesOtherAverages) {
  auto config = ema_config_of(GetParam().arguments["config"]);
  config.decay = 0.6;
  config.min_decay = 0;
  EXPECT_GT(worst_after_steps(GetParam(), config, /*decays_too=*/false), 1e-3);
}

TEST_P(EMAModelParity, TheStateHasPythonsValues) {
  const auto& state = GetParam().arguments["state"];
  const EMAModel ema(StateDict(), ema_config_of(GetParam().arguments["config"]));
  const auto& config = ema.state_dict().config;
  EXPECT_EQ(config.decay, state["decay"].get<double>());
  EXPECT_EQ(config.min_decay, state["min_decay"].get<double>());
  EXPECT_EQ(config.update_after_step, state["update_after_step"].get<int64_t>());
  EXPECT_EQ(config.use_ema_warmup, state["use_ema_warmup"].get<bool>());
  EXPECT_EQ(config.inv_gamma, state["inv_gamma"].get<double>());
  EXPECT_EQ(config.power, state["power"].get<double>());
  EXPECT_EQ(state.size(), 7) << "Python keeps another value";
}

TEST(EMAModel, AStateGoesOnAsIfNothingHadBeen) {
  auto model = small_unet();
  EMAModel ema(*model, {.decay = 0.9});
  const auto change = [&](uint64_t seed) {
    const torch::NoGradGuard no_grad;
    for (auto& parameter : model->parameters()) parameter += 0.1 * drawn(parameter.sizes(), seed);
  };
  for (uint64_t seed = 0; seed < 3; ++seed) {
    change(seed);
    ema.step(model->parameters());
  }
  EMAModel again(*small_unet());
  again.load_state_dict(ema.state_dict());
  EXPECT_EQ(again.optimization_step(), 3);
  change(3);
  ema.step(model->parameters());
  again.step(model->parameters());
  for (const auto& item : ema.shadow_params())
    EXPECT_TRUE(is_same(item.key(), again.shadow_params()[item.key()], item.value()));
}

TEST(EMAModel, ParametersAreStoredReplacedAndRestored) {
  auto model = small_unet();
  EMAModel ema(*model);
  const auto parameters = model->parameters();
  {
    const torch::NoGradGuard no_grad;
    for (auto parameter : parameters) parameter.add_(1);
  }
  const auto before = parameters[0].detach().clone();
  ema.store(parameters);
  ema.copy_to(parameters);
  EXPECT_TRUE(is_same("average", parameters[0].detach(), before - 1) ||
              is_near("average", parameters[0].detach(), before - 1, 1e-6));
  EXPECT_TRUE(parameters[0].requires_grad());
  const TensorVersions versions(parameters);
  ema.restore(parameters);
  EXPECT_FALSE(versions.are_current());
  EXPECT_TRUE(is_same("restored", parameters[0].detach(), before));
  expect_value_error([&] { ema.restore(parameters); },
                     "[EMAModel] restore: expected parameters that were stored, got none");
}

TEST(EMAModel, WhatDoesNotFitIsRefused) {
  EMAModel ema(*small_unet());
  auto parameters = small_unet()->parameters();
  parameters[1] = torch::zeros({3});
  expect_value_error_with([&] { ema.step(parameters); }, "expected float32 [16], got float32 [3]");
  parameters.pop_back();
  expect_value_error_with([&] { ema.step(parameters); }, "[EMAModel] parameters: expected");
  expect_value_error([] { EMAModel(StateDict(), {.decay = 1.5}); },
                     "[EMAModel] decay: expected 0 to 1, got 1.5");
  auto state = ema.state_dict();
  state.shadow_params = StateDict();
  EXPECT_THROW(ema.load_state_dict(state), StateDictError);
  EXPECT_EQ(ema.optimization_step(), 0);
}

}  // namespace
}  // namespace xattn::testing
