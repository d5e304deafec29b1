// UNet2DConditionModel against the Python original over every configuration, forward and backward.

#include <gtest/gtest.h>
#include <torch/utils.h>

#include <set>

#include "models/unet_2d_condition/unet_support.h"
#include "support/parity.h"
#include "xattn/core/error.h"
#include "xattn/io/state_dict.h"

namespace xattn::testing {
namespace {

Tensors run(UNet2DConditionModel& unet, const Tensors& inputs) {
  return {{"sample", unet->forward(inputs.at("sample"), inputs.at("timestep"),
                                   inputs.at("encoder_hidden_states"), unet_arguments(inputs))}};
}

Tensors run_prepared(UNet2DConditionModel& unet, const Tensors& inputs, AttentionPath path) {
  auto arguments = unet_arguments(inputs);
  const auto text =
      unet->prepare(inputs.at("encoder_hidden_states"), arguments.encoder_attention_mask, path);
  arguments.encoder_attention_mask.reset();
  return {{"sample",
           unet->forward_prepared(inputs.at("sample"), inputs.at("timestep"), text, arguments)}};
}

/// Whether the mask of self attention is for the text, which was prepared without it.
bool masks_the_text(const UNet2DConditionModel& unet, const Tensors& inputs) {
  return inputs.count("attention_mask") && unet->config.only_cross_attention.at(0);
}

class UNetParity : public ::testing::TestWithParam<ModelCase> {};

TEST_P(UNetParity, ForwardAndBackwardArePythons) {
  const auto golden = load_golden(GetParam());
  auto unet = load_unet(GetParam());
  expect_same_keys(GetParam(), *unet);
  const auto leaves = golden.leaves();
  const auto outputs = run(unet, leaves);
  expect_same_outputs(GetParam(), golden, outputs);
  expect_same_gradients(GetParam(), golden, *unet, leaves, outputs);
}

TEST_P(UNetParity, ForwardWithoutGradientIsPythons) {
  const torch::NoGradGuard no_grad;
  const auto golden = load_golden(GetParam());
  auto unet = load_unet(GetParam());
  expect_same_outputs(GetParam(), golden, run(unet, golden.inputs));
}

TEST_P(UNetParity, APreparedTextIsTheSame) {
  const auto golden = load_golden(GetParam());
  auto unet = load_unet(GetParam());
  if (masks_the_text(unet, golden.inputs)) {
    EXPECT_THROW(run_prepared(unet, golden.inputs, AttentionPath::kAuto), ValueError);
    return;
  }
  for (const auto path : {AttentionPath::kAuto, AttentionPath::kExplicit, AttentionPath::kSdpa,
                          AttentionPath::kBlocked, AttentionPath::kFolded}) {
    SCOPED_TRACE(to_string(path));
    const torch::NoGradGuard no_grad;
    expect_same_outputs(GetParam(), golden, run_prepared(unet, golden.inputs, path));
  }
  const auto leaves = golden.leaves();
  const auto outputs = run_prepared(unet, leaves, AttentionPath::kAuto);
  expect_same_outputs(GetParam(), golden, outputs);
  expect_same_gradients(GetParam(), golden, *unet, leaves, outputs);
}

// The twin that must fail, for a weight of each of the model's parts.
TEST_P(UNetParity, NoticesAChangedWeight) {
  const torch::NoGradGuard no_grad;
  const auto golden = load_golden(GetParam());
  auto unet = load_unet(GetParam());
  std::set<std::string> parts;
  for (const auto& item : unet->named_parameters()) {
    const auto part = item.key().substr(0, item.key().find('.'));
    if (part == "class_embedding" && item.value().size(0) == 5)
      continue;  // a table of which two rows are read
    if (!parts.insert(part).second) continue;
    const auto before = item.value().clone();
    item.value().mul_(1.5);
    EXPECT_FALSE(are_same_outputs(GetParam(), golden, run(unet, golden.inputs))) << item.key();
    item.value().copy_(before);
  }
}

TEST_P(UNetParity, ItsConfigurationSurvivesJson) {
  const auto unet = load_unet(GetParam());
  const auto json = unet->config.to_json();
  EXPECT_EQ(UNet2DConditionConfig::from_json(json).to_json(), json);
  // Each field that we write is as Python wrote it.
  const auto ours = nlohmann::json::parse(json);
  const auto pythons = nlohmann::json::parse(read_text(GetParam().directory / "config.json"));
  for (const auto& [name, value] : ours.items()) {
    if (pythons.at(name).is_array() && !value.is_array()) continue;
    EXPECT_EQ(value, pythons.at(name)) << name;
  }
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(UNetParity);
INSTANTIATE_TEST_SUITE_P(Golden, UNetParity,
                         ::testing::ValuesIn(model_cases("unet", "UNet2DConditionModel")),
                         model_case_name);

}  // namespace
}  // namespace xattn::testing
