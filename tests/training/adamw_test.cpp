#include "xattn/training/adamw.h"

#include <gtest/gtest.h>
#include <torch/nn/utils/clip_grad.h>
#include <torch/utils.h>

#include "support/errors.h"
#include "support/model_golden.h"
#include "support/parity.h"
#include "support/worst_errors.h"
#include "training/small_models.h"
#include "xattn/core/tensor_versions.h"

namespace xattn::testing {
namespace {

const std::vector<std::string> kParameterNames = {"weight", "bias", "scale"};

torch::optim::AdamWOptions adamw_options(const nlohmann::json& arguments) {
  torch::optim::AdamWOptions options(arguments.value("lr", 1e-3));
  if (arguments.contains("betas"))
    options.betas({arguments["betas"][0].get<double>(), arguments["betas"][1].get<double>()});
  options.eps(arguments.value("eps", options.eps()));
  options.weight_decay(arguments.value("weight_decay", options.weight_decay()));
  options.amsgrad(arguments.value("amsgrad", false));
  return options;
}

/// The parameters after a hundred steps of an optimizer with Python's gradients.
template <typename Optimizer>
std::map<std::string, at::Tensor> after_steps(const ModelCase& model_case,
                                              const torch::optim::AdamWOptions& options) {
  const auto golden = load_golden(model_case);
  std::vector<at::Tensor> parameters;
  for (const auto& name : kParameterNames)
    parameters.push_back(golden.inputs.at("param." + name).clone().requires_grad_(true));
  Optimizer optimizer(parameters, options);
  for (int64_t step = 0; step < 100; ++step) {
    for (size_t i = 0; i < parameters.size(); ++i)
      parameters[i].mutable_grad() = golden.inputs.at("grad." + kParameterNames[i])[step].clone();
    optimizer.step();
  }
  std::map<std::string, at::Tensor> found;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const auto& name = kParameterNames[i];
    found[name] = parameters[i].detach();
    const auto& state = static_cast<const torch::optim::AdamWParamState&>(
        *optimizer.state().at(parameters[i].unsafeGetTensorImpl()));
    found[name + ".exp_avg"] = state.exp_avg();
    found[name + ".exp_avg_sq"] = state.exp_avg_sq();
    if (options.amsgrad()) found[name + ".max_exp_avg_sq"] = state.max_exp_avg_sq();
  }
  return found;
}

class AdamWParity : public ::testing::TestWithParam<ModelCase> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(AdamWParity);
INSTANTIATE_TEST_SUITE_P(Torch, AdamWParity, ::testing::ValuesIn(model_cases("training", "AdamW")),
                         model_case_name);

TEST_P(AdamWParity, AHundredStepsAreThoseOfPythonsFusedToTheBit) {
  const auto outputs = load_golden(GetParam()).outputs;
  for (const auto& [name, actual] :
       after_steps<AdamW>(GetParam(), adamw_options(GetParam().arguments)))
    EXPECT_TRUE(is_same(name, actual, outputs.at("fused." + name)));
}

TEST_P(AdamWParity, PythonsUsualOneAndLibTorchsDifferByRounding) {
  const auto outputs = load_golden(GetParam()).outputs;
  const auto options = adamw_options(GetParam().arguments);
  for (const auto& [name, actual] : after_steps<AdamW>(GetParam(), options))
    EXPECT_TRUE(is_near(name, actual, outputs.at("plain." + name), 2e-6));
  for (const auto& [name, actual] : after_steps<torch::optim::AdamW>(GetParam(), options))
    EXPECT_TRUE(is_near(name, actual, outputs.at("plain." + name), 2e-6));
}

TEST_P(AdamWParity, AnotherRateOrDecayGivesOtherParameters) {
  const auto outputs = load_golden(GetParam()).outputs;
  auto options = adamw_options(GetParam().arguments);
  options.lr(options.lr() * 1.01);
  EXPECT_FALSE(is_near("weight", after_steps<AdamW>(GetParam(), options).at("weight"),
                       outputs.at("fused.weight"), 1e-5));
  options.lr(options.lr() / 1.01).weight_decay(options.weight_decay() + 0.1);
  EXPECT_FALSE(is_near("weight", after_steps<AdamW>(GetParam(), options).at("weight"),
                       outputs.at("fused.weight"), 1e-5));
}

TEST(AdamW, ParametersWithoutGradientsAndLateOnesAreTorchs) {
  std::vector<std::vector<at::Tensor>> both;
  const auto train = [&](auto make) {
    std::vector<at::Tensor> parameters = {drawn({7, 5}, 1), drawn({3}, 2), drawn({4}, 3)};
    for (auto& parameter : parameters) parameter.requires_grad_(true);
    auto optimizer = make(parameters);
    for (uint64_t step = 0; step < 5; ++step) {
      parameters[0].mutable_grad() = drawn({7, 5}, 10 + step);
      if (step >= 2) parameters[1].mutable_grad() = drawn({3}, 20 + step);
      optimizer->step();
    }
    both.push_back(parameters);
  };
  train([](auto& parameters) { return std::make_unique<AdamW>(parameters); });
  train([](auto& parameters) { return std::make_unique<torch::optim::AdamW>(parameters); });
  for (size_t i = 0; i < 3; ++i)
    EXPECT_TRUE(is_near(std::to_string(i), both[0][i].detach(), both[1][i].detach(), 1e-6));
  EXPECT_TRUE(is_same("without", both[0][2].detach(), drawn({4}, 3)));
}

TEST(AdamW, AStepIsSeenByWhatWasMadeOfTheWeights) {
  auto parameter = torch::ones({2}).requires_grad_(true);
  AdamW optimizer(std::vector<at::Tensor>{parameter});
  const TensorVersions versions({parameter});
  parameter.mutable_grad() = torch::ones({2});
  EXPECT_TRUE(versions.are_current());
  optimizer.step();
  EXPECT_FALSE(versions.are_current());
}

TEST(AdamW, AClosureComputesTheLoss) {
  auto parameter = torch::ones({2}).requires_grad_(true);
  AdamW optimizer(std::vector<at::Tensor>{parameter});
  const auto loss = optimizer.step([&] {
    auto loss = parameter.square().sum();
    loss.backward();
    return loss;
  });
  EXPECT_EQ(loss.item<float>(), 2);
  EXPECT_LT(parameter[0].item<float>(), 1);
}

class ClipParity : public ::testing::TestWithParam<ModelCase> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ClipParity);
INSTANTIATE_TEST_SUITE_P(Torch, ClipParity,
                         ::testing::ValuesIn(model_cases("training", "clip_grad_norm_")),
                         model_case_name);

TEST_P(ClipParity, NormsAndGradientsAreThoseOfPython) {
  const auto golden = load_golden(GetParam());
  for (int64_t i = 0; i < 2; ++i) {
    const std::string max_norm = i == 0 ? "0.5." : "100.0.";
    std::vector<at::Tensor> parameters;
    for (const auto* part : {"0", "1", "2"}) {
      const auto& gradient = golden.inputs.at(max_norm + part);
      parameters.push_back(torch::zeros_like(gradient).requires_grad_(true));
      parameters.back().mutable_grad() = gradient.clone();
    }
    const auto norm = torch::nn::utils::clip_grad_norm_(parameters, std::stod(max_norm));
    EXPECT_NEAR(norm / golden.outputs.at("norms")[i].item<double>(), 1, 1e-6);
    for (size_t part = 0; part < 3; ++part) {
      const auto name = max_norm + std::to_string(part);
      EXPECT_TRUE(is_near(name, parameters[part].grad(), golden.outputs.at(name), 1e-6));
      EXPECT_EQ(is_near(name, parameters[part].grad(), golden.inputs.at(name), 1e-3), i == 1);
    }
  }
}

}  // namespace
}  // namespace xattn::testing
