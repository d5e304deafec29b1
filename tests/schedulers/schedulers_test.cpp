// What schedulers refuse, and what they keep apart.

#include <gtest/gtest.h>
#include <torch/utils.h>

#include <thread>

#include "support/errors.h"
#include "xattn/core/error.h"
#include "xattn/pretrained/open_scheduler.h"
#include "xattn/schedulers/scheduling_ddim.h"

namespace xattn {
namespace {

const auto kConfig = R"({"_class_name": "EulerDiscreteScheduler"})";

TEST(Schedulers, AClassThatIsNotKnownIsNamedWithThoseThatAre) {
  try {
    scheduler_from_json(R"({"_class_name": "NoSuchScheduler"})");
    FAIL();
  } catch (const ValueError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("'NoSuchScheduler'"), std::string::npos) << message;
    EXPECT_NE(message.find("DDIMScheduler"), std::string::npos) << message;
  }
}

TEST(Schedulers, OneServesManyThreads) {
  const torch::NoGradGuard no_grad;
  const auto scheduler = scheduler_from_json(kConfig, "PNDMScheduler");
  const auto schedule = scheduler->schedule({.num_inference_steps = 20});
  const auto start = at::randn({1, 4, 8, 8});
  const auto run = [&] {
    SchedulerState state;
    auto sample = start;
    for (int64_t i = 0; i < schedule.size(); ++i) {
      sample = scheduler->step(schedule, sample.sin(), i, sample, state).prev_sample;
    }
    return sample;
  };
  const auto expected = run();
  std::vector<at::Tensor> found(8);
  std::vector<std::thread> threads;
  for (auto& result : found) threads.emplace_back([&] { result = run(); });
  for (auto& thread : threads) thread.join();
  for (const auto& result : found) EXPECT_TRUE(result.equal(expected));
}

TEST(Schedulers, StepsOutOfOrderAreRefused) {
  const auto scheduler = scheduler_from_json(kConfig);
  const auto schedule = scheduler->schedule({.num_inference_steps = 5});
  const auto sample = at::randn({1, 4, 8, 8});
  SchedulerState state;
  EXPECT_THROW(scheduler->step(schedule, sample, 5, sample, state), ValueError);
  scheduler->step(schedule, sample, 2, sample, state);
  EXPECT_THROW(scheduler->step(schedule, sample, 2, sample, state), ValueError);
  EXPECT_THROW(scheduler->step(schedule, sample, 4, sample, state), ValueError);
  scheduler->step(schedule, sample, 3, sample, state);
}

TEST(Schedulers, WhatASchedulerDoesNotKnowIsRefused) {
  const auto scheduler = scheduler_from_json(kConfig);
  const auto sample = at::randn({1, 4, 8, 8});
  const auto schedule = scheduler->schedule({.num_inference_steps = 5});
  SchedulerState state;
  EXPECT_THROW(scheduler->step(schedule, sample, 0, sample, state, {.eta = 0.5}), ValueError);
  EXPECT_THROW(scheduler->schedule({}), ValueError);
  EXPECT_THROW(scheduler->schedule({.num_inference_steps = 0}), ValueError);
  EXPECT_THROW(scheduler->schedule({.num_inference_steps = 1001}), ValueError);
  EXPECT_THROW(scheduler->schedule({.num_inference_steps = 5, .sigmas = {1, 0}}), ValueError);
  EXPECT_THROW(scheduler->schedule({.timesteps = {1, 2}}), ValueError);
  EXPECT_THROW(scheduler->schedule({.sigmas = {1, 2}}), ValueError);
  EXPECT_THROW(scheduler_from_json(R"({"_class_name": "DDIMScheduler", "beta_schedule": "wavy"})"),
               ValueError);
  EXPECT_THROW(scheduler_from_json(R"({"_class_name": "EulerDiscreteScheduler",
                                       "use_karras_sigmas": true, "use_beta_sigmas": true})"),
               ValueError);
}

TEST(Schedulers, NoiseOfAStepThatIsNotThereIsRefused) {
  const auto sample = at::randn({1, 4, 8, 8});
  for (const auto& name : scheduler_classes()) {
    const auto scheduler = scheduler_from_json(kConfig, name);
    const auto schedule = scheduler->schedule({.num_inference_steps = 5});
    EXPECT_THROW(scheduler->add_noise_at(schedule, sample, sample, -1), ValueError) << name;
    EXPECT_THROW(scheduler->add_noise_at(schedule, sample, sample, schedule.size()), ValueError)
        << name;
  }
}

TEST(Schedulers, WhatOneDoesNotTakeIsRefusedByName) {
  const auto sample = at::randn({1, 4, 8, 8});
  const auto refuses = [](const std::string& option, const auto& call) {
    try {
      call();
    } catch (const ValueError& error) {
      return std::string(error.what()).find("] " + option + ": ") != std::string::npos;
    }
    return false;
  };
  for (const auto& name : scheduler_classes()) {
    const auto scheduler = scheduler_from_json(kConfig, name);
    const auto takes = scheduler->takes();
    EXPECT_NE(takes.timesteps, refuses("timesteps",
                                       [&] {
                                         scheduler->schedule({.timesteps = {999, 500, 1}});
                                       }))
        << name;
    EXPECT_NE(takes.sigmas, refuses("sigmas",
                                    [&] {
                                      scheduler->schedule({.sigmas = {1, 0.5, 0}});
                                    }))
        << name;
    const auto schedule = scheduler->schedule({.num_inference_steps = 5});
    SchedulerState state;
    EXPECT_NE(
        takes.eta,
        refuses("eta", [&] { scheduler->step(schedule, sample, 0, sample, state, {.eta = 0.5}); }))
        << name;
  }
}

TEST(Schedulers, AnOutputOfAnotherShapeIsRefused) {
  const auto sample = at::randn({2, 4, 8, 8});
  for (const auto& name : scheduler_classes()) {
    const auto scheduler = scheduler_from_json(kConfig, name);
    const auto schedule = scheduler->schedule({.num_inference_steps = 5});
    for (const auto& output :
         {at::randn({1, 4, 8, 8}), at::randn({2, 8, 8, 8}), at::randn({}), at::Tensor()}) {
      SchedulerState state;
      EXPECT_THROW(scheduler->step(schedule, output, 0, sample, state), ValueError) << name;
    }
  }
  const auto learned =
      scheduler_from_json(R"({"_class_name": "DDPMScheduler", "variance_type": "learned"})");
  const auto schedule = learned->schedule({.num_inference_steps = 5});
  SchedulerState state;
  EXPECT_THROW(learned->step(schedule, sample, 0, sample, state), ValueError);
}

TEST(Schedulers, FieldsOutOfTheirRangeAreRefusedWhereverTheyComeFrom) {
  EXPECT_THROW(scheduler_from_json(R"({"_class_name": "DDIMScheduler", "num_train_timesteps": 0})"),
               ValueError);
  for (const auto* name : {"DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler",
                           "DEISMultistepScheduler", "UniPCMultistepScheduler"}) {
    EXPECT_THROW(scheduler_from_json(R"({"solver_order": 0})", name), ValueError) << name;
  }
  DDIMSchedulerConfig config;
  config.prediction_type = "noise";
  EXPECT_THROW(DDIMScheduler{config}, ValueError);
  config = {};
  config.timestep_spacing = "";
  EXPECT_THROW(DDIMScheduler{config}, ValueError);
}

}  // namespace
}  // namespace xattn
