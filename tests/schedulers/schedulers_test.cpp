// What schedulers refuse, and what they keep apart.

#include <gtest/gtest.h>
#include <torch/utils.h>

#include <cmath>
#include <thread>
#include <utility>

#include "support/errors.h"
#include "xattn/core/error.h"
#include "xattn/pretrained/open_scheduler.h"
#include "xattn/schedulers/scheduling_ddim.h"
#include "xattn/schedulers/scheduling_flow_match_euler_discrete.h"

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
  EXPECT_THROW(scheduler->schedule({.sigmas = {2, NAN, 1}}), ValueError);
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

TEST(Schedulers, ADistilledRunThatCannotBeIsRefused) {
  for (const auto* name : {"LCMScheduler", "TCDScheduler"}) {
    const auto scheduler = scheduler_from_json("{}", name);
    EXPECT_THROW(scheduler->schedule({.num_inference_steps = 51}), ValueError) << name;
    EXPECT_THROW(scheduler->schedule({.num_inference_steps = 11, .original_inference_steps = 10}),
                 ValueError)
        << name;
    EXPECT_THROW(scheduler->schedule({.num_inference_steps = 4, .strength = 0.05}), ValueError)
        << name;
    EXPECT_THROW(scheduler->schedule({.num_inference_steps = 4, .strength = 1.5}), ValueError)
        << name;
    EXPECT_THROW(scheduler->schedule({.num_inference_steps = 4, .strength = NAN}), ValueError)
        << name;
    EXPECT_THROW(scheduler->schedule({.timesteps = {999, 500}, .strength = 0.4}), ValueError)
        << name;
    EXPECT_THROW(scheduler->schedule({.timesteps = {999, 500.5}}), ValueError) << name;
    EXPECT_EQ(scheduler->schedule({.timesteps = {999, 500}, .strength = 0.5}).size(), 1) << name;
  }
}

TEST(Schedulers, ARunOfFlowMatchingThatCannotBeIsRefused) {
  constexpr auto kFlow = "FlowMatchEulerDiscreteScheduler";
  const auto scheduler = scheduler_from_json("{}", kFlow);
  EXPECT_THROW(scheduler->schedule({}), ValueError);
  EXPECT_THROW(scheduler->schedule({.num_inference_steps = 3, .sigmas = {1, 0.5}}), ValueError);
  EXPECT_THROW(scheduler->schedule({.timesteps = {1000, 500, 20}, .sigmas = {1, 0.5}}), ValueError);
  EXPECT_THROW(scheduler->schedule({.sigmas = {0.5, 1}}), ValueError);
  EXPECT_THROW(scheduler->schedule({.sigmas = {1.5, 1}}), ValueError);
  EXPECT_THROW(scheduler->schedule({.sigmas = {1, -0.5}}), ValueError);
  EXPECT_THROW(scheduler->schedule({.sigmas = {NAN}}), ValueError);
  EXPECT_THROW(scheduler->schedule({.sigmas = {1, NAN, 0.5}}), ValueError);
  EXPECT_THROW(scheduler->schedule({.timesteps = {1001, 5}}), ValueError);
  const auto dynamic = scheduler_from_json(R"({"use_dynamic_shifting": true})", kFlow);
  EXPECT_THROW(dynamic->schedule({.num_inference_steps = 5}), ValueError);
  EXPECT_THROW(dynamic->schedule({.num_inference_steps = 5, .mu = NAN}), ValueError);
  const auto stretched = scheduler_from_json(R"({"shift_terminal": 0.1})", kFlow);
  EXPECT_THROW(stretched->schedule({.num_inference_steps = 1}), ValueError);
  EXPECT_THROW(scheduler_from_json(R"({"shift_terminal": 1.0})", kFlow), ValueError);
  EXPECT_THROW(scheduler_from_json(R"({"shift": 0.0})", kFlow), ValueError);
}

TEST(Schedulers, TheShiftOfALengthIsOnTheLineOfTwo) {
  // Those of the config: 0.5 at 256, 1.15 at 4096.
  const FlowMatchEulerDiscreteScheduler scheduler;
  EXPECT_DOUBLE_EQ(scheduler.shift_for(256), 0.5);
  EXPECT_DOUBLE_EQ(scheduler.shift_for(4096), 1.15);
  EXPECT_NEAR(scheduler.shift_for(2176), (0.5 + 1.15) / 2, 1e-12);
  FlowMatchEulerDiscreteSchedulerConfig config;
  config.base_shift.reset();
  EXPECT_THROW(FlowMatchEulerDiscreteScheduler(config).shift_for(256), ValueError);
}

TEST(Schedulers, ASavedConfigKeepsWhatJsonHasNoNumberFor) {
  const auto scheduler =
      scheduler_from_json(R"({"lambda_min_clipped": -Infinity})", "DPMSolverMultistepScheduler");
  const auto text = scheduler_to_json(*scheduler);
  EXPECT_NE(text.find("\"lambda_min_clipped\": -Infinity,"), std::string::npos) << text;
  EXPECT_EQ(scheduler_to_json(*scheduler_from_json(text)), text);
  DDIMSchedulerConfig config;
  config.beta_end = NAN;
  EXPECT_THROW(DDIMScheduler{config}, ValueError);
}

TEST(Schedulers, AnotherConfigIsSavedAsAnother) {
  const auto text = [](const char* json) {
    return scheduler_to_json(*scheduler_from_json(json, "LCMScheduler"));
  };
  EXPECT_EQ(text("{}"), text(R"({"timestep_scaling": 10.0})"));
  EXPECT_NE(text("{}"), text(R"({"timestep_scaling": 9.0})"));
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
