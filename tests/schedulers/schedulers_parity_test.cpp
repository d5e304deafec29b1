// Every step of a run, against diffusers.

#include <ATen/CPUGeneratorImpl.h>
#include <torch/utils.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <set>

#include "io/support/temporary_folder.h"
#include "support/model_golden.h"
#include "xattn/pretrained/open_scheduler.h"

namespace xattn::testing {
namespace {

constexpr uint64_t kSeed = 7;  // as python/golden_models/schedulers.py

using Tensors = std::map<std::string, at::Tensor>;

std::optional<double> number_of(const nlohmann::json& arguments, const char* name) {
  if (!arguments.contains(name)) return {};
  return arguments[name].get<double>();
}

ScheduleOptions schedule_options(const nlohmann::json& arguments) {
  ScheduleOptions options;
  if (arguments.contains("num_inference_steps")) {
    options.num_inference_steps = arguments["num_inference_steps"].get<int64_t>();
  }
  options.timesteps = arguments.value("timesteps", options.timesteps);
  options.sigmas = arguments.value("sigmas", options.sigmas);
  if (arguments.contains("original_inference_steps")) {
    options.original_inference_steps = arguments["original_inference_steps"].get<int64_t>();
  }
  options.strength = number_of(arguments, "strength");
  options.mu = number_of(arguments, "mu");
  return options;
}

StepOptions step_options(const nlohmann::json& arguments, int64_t pictures) {
  StepOptions options;
  const int64_t count = arguments["several_generators"].get<bool>() ? pictures : 1;
  for (int64_t i = 0; i < count; ++i) {
    options.generators.push_back(at::make_generator<at::CPUGeneratorImpl>(kSeed + uint64_t(i)));
  }
  const auto& step = arguments["step"];
  options.eta = number_of(step, "eta");
  options.s_churn = number_of(step, "s_churn");
  options.s_tmin = number_of(step, "s_tmin");
  options.s_tmax = number_of(step, "s_tmax");
  options.s_noise = number_of(step, "s_noise");
  return options;
}

/// By their names in Python.
std::set<std::string> options_taken(const Scheduler& scheduler) {
  const auto takes = scheduler.takes();
  std::set<std::string> names;
  if (takes.timesteps) names.insert("timesteps");
  if (takes.sigmas) names.insert("sigmas");
  if (takes.original_inference_steps) names.insert("original_inference_steps");
  if (takes.mu) names.insert("mu");
  if (takes.churn) names.insert("s_churn");
  if (takes.eta) names.insert("eta");
  if (takes.generators) names.insert("generator");
  return names;
}

/// What Python's run gave, computed here from the same outputs of the model.
Tensors run(const ModelCase& model_case, const ModelGolden& golden, double output_scale = 1) {
  const auto scheduler = open_scheduler(model_case.directory.string());
  const auto& arguments = model_case.arguments;
  const auto schedule = scheduler->schedule(schedule_options(arguments["schedule"]));
  const auto first = arguments["first"].get<int64_t>();
  const auto noise = golden.inputs.at("noise"), clean = golden.inputs.at("clean");
  EXPECT_EQ(scheduler->order(), arguments["order"].get<int64_t>());
  EXPECT_EQ(options_taken(*scheduler), arguments["takes"].get<std::set<std::string>>());
  Tensors found = {{"timesteps", schedule.timesteps},
                   {"init_noise_sigma", schedule.init_noise_sigma}};
  if (schedule.sigmas.defined()) found["sigmas"] = schedule.sigmas;

  auto sample = noise * schedule.init_noise_sigma;
  const auto noisy_steps =
      first > 0 ? schedule.timesteps[first].repeat({noise.size(0)})
                : at::stack({schedule.timesteps[0], schedule.timesteps[schedule.size() / 2]});
  const auto noised = first > 0 ? scheduler->add_noise_at(schedule, clean, noise, first)
                                : scheduler->add_noise(schedule, clean, noise, noisy_steps);
  found["noised"] = noised;
  if (first > 0) sample = noised;
  if (golden.outputs.contains("velocity")) {
    found["velocity"] = scheduler->get_velocity(clean, noise, noisy_steps);
  }

  SchedulerState state;
  const auto options = step_options(arguments, noise.size(0));
  for (auto i = first; i < schedule.size(); ++i) {
    const auto name = "." + std::to_string(i - first);
    found["scaled" + name] = scheduler->scale_model_input(schedule, sample, i);
    const auto output = golden.inputs.at("model_output" + name) * output_scale;
    const auto result = scheduler->step(schedule, output, i, sample, state, options);
    found["prev_sample" + name] = sample = result.prev_sample;
    if (result.pred_original_sample.defined()) {
      found["pred_original_sample" + name] = result.pred_original_sample;
    }
  }
  return found;
}

class SchedulersParity : public ::testing::TestWithParam<ModelCase> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SchedulersParity);
INSTANTIATE_TEST_SUITE_P(Diffusers, SchedulersParity,
                         ::testing::ValuesIn(model_cases("schedulers")), model_case_name);

TEST_P(SchedulersParity, EveryStepIsThatOfPython) {
  const torch::NoGradGuard no_grad;
  const auto golden = load_golden(GetParam());
  expect_same_outputs(GetParam(), golden, run(GetParam(), golden));
}

TEST_P(SchedulersParity, OtherOutputsOfTheModelGiveAnotherRun) {
  const torch::NoGradGuard no_grad;
  const auto golden = load_golden(GetParam());
  EXPECT_FALSE(are_same_outputs(GetParam(), golden, run(GetParam(), golden, -1)));
}

/// Where the configs are kept that diffusers is to read (saved_schedulers_test.py), or nowhere.
TEST_P(SchedulersParity, ASavedConfigIsRead) {
  const auto* kept = std::getenv("XATTN_SAVED_SCHEDULERS");
  const TemporaryFolder temporary;
  const auto folder = (kept ? std::filesystem::path(kept) : temporary.path()) / GetParam().name;
  const auto scheduler = open_scheduler(GetParam().directory.string());
  save_scheduler(*scheduler, folder.string());
  const auto again = open_scheduler(folder.string());
  EXPECT_EQ(again->class_name(), GetParam().module);
  EXPECT_EQ(scheduler_to_json(*again), scheduler_to_json(*scheduler));
}

}  // namespace
}  // namespace xattn::testing
