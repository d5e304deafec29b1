#include "xattn/training/diffusion_loss.h"

#include <gtest/gtest.h>
#include <torch/utils.h>

#include "support/errors.h"
#include "support/model_golden.h"
#include "support/parity.h"
#include "training/small_models.h"
#include "xattn/pretrained/from_pretrained.h"
#include "xattn/schedulers/scheduling_ddpm.h"

namespace xattn::testing {
namespace {

constexpr const char* kPredictions[] = {"epsilon", "v_prediction", "sample"};

class DrawsParity : public ::testing::TestWithParam<ModelCase> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(DrawsParity);
INSTANTIATE_TEST_SUITE_P(Diffusers, DrawsParity,
                         ::testing::ValuesIn(model_cases("training", "draws")), model_case_name);

TEST_P(DrawsParity, TheScriptsNoiseAndTimestepsAreDrawn) {
  const auto golden = load_golden(GetParam());
  const auto& arguments = GetParam().arguments;
  const DiffusionNoiseOptions options{
      .noise_offset = arguments.value("noise_offset", 0.0),
      .input_perturbation = arguments.value("input_perturbation", 0.0)};
  const auto latents = torch::zeros_like(golden.outputs.at("noise"));
  const auto seed = arguments["seed"].get<uint64_t>();
  const auto actual = draw_diffusion_noise(latents, 1000, options, generator_of(seed));
  EXPECT_TRUE(is_near("noise", actual.noise, golden.outputs.at("noise"), 1e-7));
  EXPECT_TRUE(is_near("added", actual.added_noise, golden.outputs.at("added_noise"), 1e-7));
  EXPECT_TRUE(is_same("timesteps", actual.timesteps, golden.outputs.at("timesteps")));
  // As the script does, from torch's own generator.
  torch::manual_seed(seed);
  EXPECT_TRUE(is_same("noise", draw_diffusion_noise(latents, 1000, options).noise, actual.noise));
  const auto other = draw_diffusion_noise(latents, 1000, options, generator_of(seed + 1));
  EXPECT_FALSE(is_near("noise", other.noise, golden.outputs.at("noise"), 1e-2));
}

class DiffusionLossParity : public ::testing::TestWithParam<ModelCase> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(DiffusionLossParity);
INSTANTIATE_TEST_SUITE_P(Diffusers, DiffusionLossParity,
                         ::testing::ValuesIn(model_cases("training", "diffusion_loss")),
                         model_case_name);

struct LossAndGradient {
  at::Tensor loss, gradient;
};

LossAndGradient loss_of_case(const ModelCase& model_case, const ModelGolden& golden,
                             const DiffusionLossOptions& options) {
  const auto folder = model_case.directory;
  auto unet = from_pretrained<UNet2DConditionModel>((folder / "unet").string());
  const auto scheduler = training_scheduler((folder / "scheduler").string());
  const auto& inputs = golden.inputs;
  const DiffusionBatch batch{.latents = inputs.at("latents"),
                             .noise = {.noise = inputs.at("noise"),
                                       .added_noise = inputs.at("added_noise"),
                                       .timesteps = inputs.at("timesteps")},
                             .encoder_hidden_states = inputs.at("text")};
  const auto loss = diffusion_loss(unet, *scheduler, batch, options);
  loss.backward();
  return {loss.detach(), unet->conv_in->weight.grad()};
}

TEST_P(DiffusionLossParity, LossesAndGradientsAreThoseOfPython) {
  const auto golden = load_golden(GetParam());
  for (const std::string kind : kPredictions) {
    for (const auto gamma : {0.0, 5.0, 0.5}) {
      const auto name = kind + (gamma == 0 ? ".none" : gamma == 5 ? ".5.0" : ".0.5");
      DiffusionLossOptions options{.prediction_type = prediction_type(kind)};
      if (gamma != 0) options.snr_gamma = gamma;
      const auto actual = loss_of_case(GetParam(), golden, options);
      EXPECT_TRUE(is_near(name, actual.loss, golden.outputs.at(name), 2e-6));
      EXPECT_TRUE(is_near(name, actual.gradient, golden.gradients.at(name), 1e-5));
    }
  }
}

TEST_P(DiffusionLossParity, AnotherPredictionOrWeightIsAnotherLoss) {
  const auto golden = load_golden(GetParam());
  const auto v =
      loss_of_case(GetParam(), golden, {.prediction_type = PredictionType::kVPrediction});
  EXPECT_FALSE(is_near("loss", v.loss, golden.outputs.at("epsilon.none"), 1e-3));
  const auto weighted = loss_of_case(GetParam(), golden, {.snr_gamma = 4.0});
  EXPECT_FALSE(is_near("loss", weighted.loss, golden.outputs.at("epsilon.5.0"), 1e-3));
}

TEST(DiffusionLoss, WhatDoesNotFitIsRefused) {
  const DDPMSchedulerConfig config;
  const DDPMScheduler scheduler(config);
  const auto unet = small_unet();
  DiffusionBatch batch{.latents = drawn({2, 4, 8, 8}, 1),
                       .noise = draw_diffusion_noise(drawn({2, 4, 8, 8}, 1), 1000),
                       .encoder_hidden_states = drawn({2, 9, 32}, 2)};
  EXPECT_NO_THROW(diffusion_loss(unet, scheduler, batch));
  batch.noise.timesteps = torch::tensor({1});
  expect_value_error([&] { diffusion_loss(unet, scheduler, batch); },
                     "[diffusion_loss] timesteps: expected [2], got [1]");
  batch.noise.added_noise = drawn({2, 4, 8, 7}, 1);
  expect_value_error([&] { diffusion_loss(unet, scheduler, batch); },
                     "[diffusion_loss] added_noise: expected [2, 4, 8, 8], got [2, 4, 8, 7]");
  expect_value_error_with([] { prediction_type("x0"); }, "epsilon, v_prediction or sample, got x0");
}

}  // namespace
}  // namespace xattn::testing
